//! `jidoka produce`: plays files of events into any Kafka topic.

use std::borrow::Cow;
use std::io::{self, IsTerminal};
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::ProgressBar;
use serde::Deserialize;
use serde_json::json;

use super::interrupt;
use super::lines::{Chunk, Input, Lines};
use super::terminal::{Exit, GOOD, Output, WARNING, fail, note, paint, progress, say, thousands};
use crate::stream::ClientConfig;
use crate::stream::player::{Offer, Player, Tally};
use crate::stream::topics::{TopicsError, partition_count};

/// How long the first answer of the brokers may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(15);
/// Pieces of files that are read ahead.
const CHUNKS_AHEAD: usize = 4;
/// How long a wait lasts before the stop flag is looked at again.
const GLANCE: Duration = Duration::from_millis(50);
/// Where nobody watches a bar, a line this often.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// A player that is further behind than this goes on from now instead of rushing to catch up.
const BEHIND_MAX: Duration = Duration::from_secs(1);

/// Plays files of events into a Kafka topic, one record a line.
#[derive(Args, Debug)]
#[command(after_help = "Every line is sent as it is, broken and empty ones too: that is how bad input is tried out.
Nothing is lost on Ctrl-C: what was sent is waited for; a second Ctrl-C ends at once.

Exit codes: 0 every line was acknowledged; 1 some were not, or it was interrupted;
2 wrong usage or configuration.

Examples:
  jidoka produce events.jsonl.gz --topic inference --bootstrap localhost:9092
  jidoka produce day1.jsonl day2.jsonl --topic inference --config jidoka.yaml \\
      --rate 200
  jidoka produce events.jsonl.gz --topic inference --config jidoka.yaml \\
      --repeat 100 --limit 300000
  tail -f model.log |
      jidoka produce - --topic inference --bootstrap localhost:9092")]
pub struct ProduceArgs {
    /// Files of lines, plain or gzipped; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Topic to write to; it has to exist
    #[arg(long, value_name = "TOPIC")]
    topic: String,
    /// Brokers, instead of those of the configuration
    #[arg(long, value_name = "HOST:PORT,…")]
    bootstrap: Option<String>,
    /// Configuration file: where Kafka is and how to log in
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Records a second, steadily spaced; fractions are allowed [default: as fast as the brokers take them]
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// Play all files this often. The same event again is a duplicate to jidoka while it is within `dedup.window`
    #[arg(long, value_name = "N", default_value_t = NonZeroU64::MIN)]
    repeat: NonZeroU64,
    /// End after this many records
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// What a record's key is; a line in which it cannot be read goes without one
    #[arg(long, value_enum, default_value_t)]
    key: Key,
    /// Form of the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What a record's key is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Key {
    /// The event's `event_id`, so that a repeated event meets the partition that knows it
    #[default]
    Event,
    /// The event's `subject_id`, so that one subject's events stay in order
    Subject,
    /// No key: records go to any partition
    None,
}

impl Key {
    /// The key of a line, where it has one that can be read.
    fn of(self, line: &[u8]) -> Option<Cow<'_, str>> {
        #[derive(Deserialize)]
        struct Event<'a> {
            #[serde(borrow)]
            event_id: Cow<'a, str>,
        }
        #[derive(Deserialize)]
        struct Subject<'a> {
            #[serde(borrow)]
            subject_id: Cow<'a, str>,
        }
        match self {
            Self::Event => serde_json::from_slice::<Event<'_>>(line).ok().map(|event| event.event_id),
            Self::Subject => serde_json::from_slice::<Subject<'_>>(line).ok().map(|event| event.subject_id),
            Self::None => None,
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "a number of records a second, such as 200 or 0.5".to_owned())?;
    if rate.is_finite() && rate >= 0.001 { Ok(rate) } else { Err("at least 0.001, one record in 1,000 seconds".to_owned()) }
}

impl ProduceArgs {
    /// The configuration file, if one was named, from which the caller makes the client settings of [`run`].
    #[must_use]
    pub fn config(&self) -> Option<&std::path::Path> {
        self.config.as_deref()
    }
}

/// Runs the command with the configuration's client settings, empty where no file was named, until Ctrl-C or SIGTERM.
#[must_use]
pub fn run(args: &ProduceArgs, client: ClientConfig) -> Exit {
    let stop = match interrupt::flag() {
        Ok(stop) => stop,
        Err(error) => return fail(Exit::Failed, format!("Cannot listen for Ctrl-C: {error}")),
    };
    match play(args, client, &stop) {
        Ok(played) => played.report(args),
        Err(Unplayed { exit, reason }) => fail(exit, reason),
    }
}

/// Why nothing was sent at all.
#[derive(PartialEq, Eq, Debug)]
pub struct Unplayed {
    /// How the command ends.
    pub exit: Exit,
    /// The reason, for people.
    pub reason: String,
}

/// Plays the files until their end or until `stop` is raised, then waits for what is in flight.
///
/// # Errors
/// When nothing can be sent: wrong usage, no broker, no such topic.
pub fn play(args: &ProduceArgs, mut client: ClientConfig, stop: &AtomicBool) -> Result<Played, Unplayed> {
    if let Some(bootstrap) = &args.bootstrap {
        client.set("bootstrap.servers", bootstrap);
    }
    let inputs: Vec<_> = args.files.iter().cloned().map(Input::from).collect();
    usable(&inputs, args, &client).map_err(|reason| Unplayed { exit: Exit::Usage, reason })?;
    let player = connect(&client, &args.topic)?;
    let mut play = Play::new(args, &player, stop);
    let pieces = read_ahead(inputs, args.repeat.get())
        .map_err(|error| Unplayed { exit: Exit::Failed, reason: format!("Cannot start a thread that reads: {error}") })?;
    let ended = play.all(&pieces);
    let tally = play.settle();
    Ok(Played { tally, ended, seconds: play.began.elapsed().as_secs_f64() })
}

/// What can be known to be wrong before anything is sent.
fn usable(inputs: &[Input], args: &ProduceArgs, client: &ClientConfig) -> Result<(), String> {
    if client.get("bootstrap.servers").is_none_or(str::is_empty) {
        return Err("Which Kafka? Say --bootstrap HOST:PORT or --config FILE.".to_owned());
    }
    let stdin = inputs.iter().filter(|input| **input == Input::Stdin).count();
    if stdin > 1 || (stdin == 1 && args.repeat.get() > 1) {
        return Err("Standard input can be read only once.".to_owned());
    }
    for input in inputs {
        if let Input::File(path) = input {
            std::fs::File::open(path).map_err(|error| format!("Cannot open {input}: {error}"))?;
        }
    }
    Ok(())
}

fn connect(client: &ClientConfig, topic: &str) -> Result<Player, Unplayed> {
    let usage = |reason| Unplayed { exit: Exit::Usage, reason };
    let failed = |reason| Unplayed { exit: Exit::Failed, reason };
    let bootstrap = client.get("bootstrap.servers").unwrap_or_default();
    match partition_count(client, topic, CONNECT_WITHIN) {
        Ok(Some(_)) => Player::new(client, topic).map_err(usage),
        Ok(None) => Err(failed(format!(
            "Topic {topic} does not exist at {bootstrap}, or may not be seen. To create it:\n    \
             kafka-topics.sh --bootstrap-server {bootstrap} --create --topic {topic} --partitions 6"
        ))),
        Err(error @ TopicsError::Settings(_)) => Err(usage(error.to_string())),
        Err(error) => Err(failed(error.to_string())),
    }
}

type Piece = Result<Chunk, String>;

/// Reads on a thread of its own, so that a silent pipe holds up neither Ctrl-C nor what is in flight.
fn read_ahead(inputs: Vec<Input>, repeat: u64) -> io::Result<Receiver<Piece>> {
    let (sender, receiver) = sync_channel(CHUNKS_AHEAD);
    std::thread::Builder::new().name("read-ahead".to_owned()).spawn(move || {
        for input in (0..repeat).flat_map(|_| &inputs) {
            match read(input, &sender) {
                Ok(true) => (),
                Ok(false) => return,
                Err(error) => {
                    // Nobody listens any more where this fails.
                    let _ = sender.send(Err(format!("Cannot read {input}: {error}")));
                    return;
                }
            }
        }
    })?;
    Ok(receiver)
}

/// Sends one input's lines; false when nobody wants more.
fn read(input: &Input, sender: &SyncSender<Piece>) -> io::Result<bool> {
    let mut lines = Lines::open(input)?;
    while let Some(chunk) = lines.next_chunk()? {
        if sender.send(Ok(chunk)).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Why the playing ended.
#[derive(PartialEq, Eq, Debug)]
pub enum Ended {
    /// Everything asked for was sent.
    Complete,
    /// By a signal.
    Interrupted,
    /// An input could not be read on.
    Broken(String),
}

/// One playing of all files.
struct Play<'a> {
    args: &'a ProduceArgs,
    player: &'a Player,
    stop: &'a AtomicBool,
    pace: Option<Pace>,
    watch: Watch,
    offered: u64,
    began: Instant,
}

impl<'a> Play<'a> {
    fn new(args: &'a ProduceArgs, player: &'a Player, stop: &'a AtomicBool) -> Self {
        let began = Instant::now();
        let pace = args.rate.map(|rate| Pace { interval: Duration::from_secs_f64(1.0 / rate), due: began });
        Self { args, player, stop, pace, watch: Watch::new(args.limit, began), offered: 0, began }
    }

    fn all(&mut self, pieces: &Receiver<Piece>) -> Ended {
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Ended::Interrupted;
            }
            self.watch.show(self.player, self.began);
            match pieces.recv_timeout(GLANCE) {
                Err(RecvTimeoutError::Timeout) => (),
                Err(RecvTimeoutError::Disconnected) => return Ended::Complete,
                Ok(Err(reason)) => return Ended::Broken(reason),
                Ok(Ok(chunk)) => {
                    for line in chunk.lines() {
                        if self.args.limit.is_some_and(|limit| self.offered >= limit) {
                            return Ended::Complete;
                        }
                        if !self.one(line) {
                            return Ended::Interrupted;
                        }
                    }
                }
            }
        }
    }

    /// Sends one line when its time has come; false when a signal came first.
    fn one(&mut self, line: &[u8]) -> bool {
        while let Some(wait) = self.pace.as_ref().and_then(|pace| pace.wait(Instant::now())) {
            if self.stop.load(Ordering::Relaxed) {
                return false;
            }
            self.watch.show(self.player, self.began);
            std::thread::sleep(wait.min(GLANCE));
        }
        let key = self.args.key.of(line);
        let key = key.as_ref().map(|key| key.as_bytes());
        while self.player.offer(key, line) == Offer::Full {
            if self.stop.load(Ordering::Relaxed) {
                return false;
            }
            self.watch.show(self.player, self.began);
            std::thread::sleep(Duration::from_millis(1));
        }
        self.offered += 1;
        if let Some(pace) = &mut self.pace {
            pace.advance(Instant::now());
        }
        true
    }

    /// Waits until the fate of every record is known, which librdkafka decides within `message.timeout.ms`.
    fn settle(&mut self) -> Tally {
        loop {
            let tally = self.player.tally();
            if tally.delivered + tally.failed >= self.offered {
                self.watch.end();
                return tally;
            }
            self.watch.show(self.player, self.began);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// What was played.
#[derive(Debug)]
pub struct Played {
    /// What became of the records.
    pub tally: Tally,
    /// Why it ended.
    pub ended: Ended,
    /// How long it took.
    pub seconds: f64,
}

impl Played {
    /// How the command ends.
    #[must_use]
    pub fn exit(&self) -> Exit {
        if self.ended == Ended::Complete && self.tally.failed == 0 { Exit::Done } else { Exit::Failed }
    }

    fn report(&self, args: &ProduceArgs) -> Exit {
        let rate = per_second(self.tally.delivered, self.seconds);
        match args.output {
            Output::Json => self.print_json(&args.topic, rate),
            Output::Text => self.print_text(&args.topic, rate),
        }
        match &self.ended {
            Ended::Complete => self.exit(),
            Ended::Interrupted => fail(self.exit(), "Interrupted; what is counted as sent was acknowledged."),
            Ended::Broken(reason) => fail(self.exit(), reason),
        }
    }

    fn print_json(&self, topic: &str, rate: f64) {
        let Tally { delivered, failed, first_error } = &self.tally;
        let interrupted = self.ended == Ended::Interrupted;
        let report = json!({ "topic": topic, "sent": delivered, "failed": failed, "first_error": first_error,
            "seconds": self.seconds, "rate": rate, "interrupted": interrupted });
        say(report);
    }

    fn print_text(&self, topic: &str, rate: f64) {
        let (sent, failed) = (thousands(self.tally.delivered), thousands(self.tally.failed));
        say(format_args!("{} {sent} records to {topic} in {:.1} s, {rate:.1}/s", paint(GOOD, "sent"), self.seconds));
        if let Some(reason) = &self.tally.first_error {
            say(format_args!("{} {failed} records, the first with: {reason}", paint(WARNING, "failed")));
        }
    }
}

/// When the next record is due.
struct Pace {
    interval: Duration,
    due: Instant,
}

impl Pace {
    /// How long until the next record; `None` when it is due.
    fn wait(&self, now: Instant) -> Option<Duration> {
        let wait = self.due.saturating_duration_since(now);
        (!wait.is_zero()).then_some(wait)
    }

    /// One record was sent: the next is due an interval after this one *was* due, so that delays even out and do not add
    /// up, but not in a rush after a long one.
    fn advance(&mut self, now: Instant) {
        self.due = (self.due + self.interval).max(now.checked_sub(BEHIND_MAX).unwrap_or(now));
    }
}

/// Shows how far it is.
enum Watch {
    /// On a terminal.
    Bar(ProgressBar),
    /// Elsewhere a line now and then; the time of the next one.
    Lines(Instant),
}

impl Watch {
    fn new(length: Option<u64>, began: Instant) -> Self {
        if io::stderr().is_terminal() { Self::Bar(progress(length, "records")) } else { Self::Lines(began + LINE_EVERY) }
    }

    fn show(&mut self, player: &Player, began: Instant) {
        match self {
            Self::Bar(bar) => {
                let tally = player.tally();
                bar.set_position(tally.delivered);
                bar.set_message(format!(
                    "{:.0}/s, {} failed",
                    per_second(tally.delivered, began.elapsed().as_secs_f64()),
                    thousands(tally.failed)
                ));
            }
            Self::Lines(next) if Instant::now() >= *next => {
                let tally = player.tally();
                let (sent, failed) = (thousands(tally.delivered), thousands(tally.failed));
                note(format_args!(
                    "{sent} records sent, {:.0}/s, {failed} failed",
                    per_second(tally.delivered, began.elapsed().as_secs_f64())
                ));
                *next += LINE_EVERY;
            }
            Self::Lines(_) => (),
        }
    }

    fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people, to a few digits")]
fn per_second(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds.max(1e-3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_events_own() {
        let line = br#"{"event_id":"e-1","subject_id":"S\u00e9","model":{"event_id":"no"}}"#;
        assert_eq!(Key::Event.of(line).as_deref(), Some("e-1"));
        assert_eq!(Key::Subject.of(line).as_deref(), Some("S\u{e9}"));
        assert_eq!(Key::None.of(line), None);
    }

    #[test]
    fn what_cannot_be_read_has_no_key() {
        let twice = br#"{"event_id":"a","event_id":"b"}"#;
        for line in [&b""[..], b"{", b"[]", br#"{"event_id":7}"#, br#"{"subject_id":"s"}"#, b"{\"event_id\":\"\xff\"}", twice] {
            assert_eq!(Key::Event.of(line), None, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn the_pace_is_steady_evens_out_delays_and_does_not_rush() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut pace = Pace { interval: Duration::from_millis(10), due: start };
        assert_eq!(pace.wait(start), None);
        pace.advance(start);
        assert_eq!(pace.wait(at(4)), Some(Duration::from_millis(6)));
        // 25 ms late: two records are overdue and go at once, the third is on time.
        for _ in 0..3 {
            assert_eq!(pace.wait(at(35)), None);
            pace.advance(at(35));
        }
        assert_eq!(pace.wait(at(35)), Some(Duration::from_millis(5)));
        // A minute late: no more than a second is made up for.
        pace.advance(at(60_000));
        assert_eq!(pace.due, at(59_000));
    }

    #[test]
    fn rates_are_positive_numbers() {
        assert_eq!(rate("0.5"), Ok(0.5));
        for text in ["0", "-1", "nan", "inf", "fast", "0.0001"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
