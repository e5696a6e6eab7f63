//! A source that answers, stalls and fails, on a port of this machine.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use super::*;
use crate::reference::Fact;

/// What the source does with a question.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Answers with status and body.
    Says(u16, &'static str),
    /// Answers nothing until the server ends.
    Stalls,
}

#[derive(Default)]
struct Seen {
    ended: AtomicBool,
    asked: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    paths: Mutex<Vec<String>>,
}

/// An HTTP server for tests.
pub(crate) struct Server {
    port: u16,
    seen: Arc<Seen>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(behave: impl Fn(&str) -> Behaviour + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (seen, behave) = (Arc::new(Seen::default()), Arc::new(behave));
        let own = Arc::clone(&seen);
        let thread = spawn(move || {
            for stream in listener.incoming() {
                if own.ended.load(Ordering::SeqCst) {
                    return;
                }
                let (seen, behave) = (Arc::clone(&own), Arc::clone(&behave));
                drop(spawn(move || serve(&stream.expect("a connection"), &seen, &*behave)));
            }
        });
        Self { port, seen, thread: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/subjects/{{subject_id}}/facts", self.port)
    }

    pub fn asked(&self) -> usize {
        self.seen.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.seen.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        self.thread.take().map(JoinHandle::join);
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    std::thread::Builder::new().name("test-source".to_owned()).spawn(work).expect("a thread")
}

fn serve(stream: &TcpStream, seen: &Seen, behave: &dyn Fn(&str) -> Behaviour) {
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    while lines.read_line(&mut line).is_ok_and(|read| read > 0) {
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        while lines.read_line(&mut line).is_ok_and(|read| read > 2) {}
        line.clear();
        seen.asked.fetch_add(1, Ordering::SeqCst);
        let open = seen.open.fetch_add(1, Ordering::SeqCst) + 1;
        seen.most_open.fetch_max(open, Ordering::SeqCst);
        let behaviour = behave(&path);
        lock(&seen.paths).push(path);
        let answered = match behaviour {
            Behaviour::Says(status, body) => {
                std::thread::sleep(Duration::from_millis(2));
                write!(&*stream, "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len()).is_ok()
            }
            Behaviour::Stalls => {
                while !seen.ended.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                false
            }
        };
        seen.open.fetch_sub(1, Ordering::SeqCst);
        if !answered {
            return;
        }
    }
}

/// A lookup with its threads.
pub(crate) struct Served {
    pub lookup: Arc<Lookup>,
    ending: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Served {
    pub fn new(server: &Server, change: impl FnOnce(&mut HttpReference)) -> Self {
        let mut settings = HttpReference {
            url: server.url(),
            deadline: Duration::from_secs(20),
            concurrency: 4,
            breaker_failures: 1_000,
            breaker_open_for: Duration::from_hours(1),
            cache_entries: 100,
            cache_ttl: Duration::from_hours(1),
        };
        change(&mut settings);
        let lookup = Arc::new(Lookup::new(("bureau", None), &settings, &Metrics::new()));
        let ending = Arc::new(AtomicBool::new(false));
        let serve = |_| {
            let (lookup, ending) = (Arc::clone(&lookup), Arc::clone(&ending));
            spawn(move || lookup.serve(&|| ending.load(Ordering::SeqCst)))
        };
        let threads = (0..settings.concurrency).map(serve).collect();
        Self { lookup, ending, threads }
    }

    /// What is said about these, in words.
    fn ask(&self, subjects: &[&str]) -> Vec<String> {
        let round = self.lookup.ask(subjects.iter().map(|subject| Arc::from(*subject)));
        let mut answers = HashMap::new();
        self.lookup.wait(&round, &mut answers);
        let word = |subject: &&str| match answers.get(*subject) {
            Some(Trusted::Record(record)) => format!("{:?}", record.fact("age")),
            Some(Trusted::NoRecord) => "nobody".to_owned(),
            Some(Trusted::NotReady(why)) => (*why).to_owned(),
            Some(Trusted::Late) | None => "late".to_owned(),
        };
        subjects.iter().map(word).collect()
    }

    fn count(&self, result: &str) -> u64 {
        self.lookup.counts[RESULTS.iter().position(|known| *known == result).expect("a result")].get()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[test]
fn what_a_source_says_is_what_is_trusted() {
    let server = Server::start(|path| match path {
        "/subjects/S1/facts" => Behaviour::Says(200, "{\"age\":40}"),
        "/subjects/a%20b%2F/facts" => Behaviour::Says(200, "{\"age\":50}"),
        "/subjects/S3/facts" => Behaviour::Says(200, "[]"),
        "/subjects/S4/facts" => Behaviour::Says(500, "{\"age\":1}"),
        "/subjects/S5/facts" => Behaviour::Says(302, ""),
        _ => Behaviour::Says(404, ""),
    });
    let bureau = Served::new(&server, |_| {});
    let expected =
        [&*format!("{:?}", Fact::Number(40.0)), "Number(50.0)", "lookup-failed", "lookup-failed", "lookup-failed", "nobody"];
    let subjects = ["S1", "a b/", "S3", "S4", "S5", "S6"];
    assert_eq!(bureau.ask(&subjects), expected);
    assert_eq!(server.asked(), 6);
    // What was answered is kept, what failed is asked anew.
    assert_eq!(bureau.ask(&subjects), expected);
    assert_eq!((server.asked(), bureau.count("cached"), bureau.count("found"), bureau.count("absent")), (9, 3, 2, 1));
    assert_eq!((bureau.count("failed"), bureau.count("late")), (6, 0));
    assert_eq!(bureau.ask(&[".."]), ["lookup-failed"], "no step in a path");
    assert_eq!(server.asked(), 9);
}

/// The server answers S1 and nothing else before it ends, which it does after the wait: so the wait does not depend on it.
#[test]
fn nobody_waits_for_a_source_that_stalls() {
    let server = Server::start(|path| if path.contains("S1") { Behaviour::Says(200, "{\"age\":40}") } else { Behaviour::Stalls });
    let bureau = Served::new(&server, |settings| settings.deadline = Duration::from_secs(2));
    assert_eq!(bureau.ask(&["S1", "S2", "S3"]), ["Number(40.0)", "late", "late"]);
    assert_eq!(bureau.count("late"), 2);
    // All threads are asked too much; what waits in the queue when the batch goes on is asked no more.
    let many: Vec<String> = (0..50).map(|number| format!("X{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(bureau.ask(&many).iter().all(|answer| answer == "late"));
    assert!(lock(&bureau.lookup.queue).is_empty());
    assert!(server.asked() < 50);
}

#[test]
fn a_source_that_fails_again_and_again_is_left_alone_for_a_while() {
    let is_well = Arc::new(AtomicBool::new(false));
    let well = Arc::clone(&is_well);
    let server =
        Server::start(
            move |_| {
                if well.load(Ordering::SeqCst) { Behaviour::Says(200, "{\"age\":40}") } else { Behaviour::Says(503, "") }
            },
        );
    let bureau = Served::new(&server, |settings| {
        (settings.breaker_failures, settings.concurrency) = (3, 1);
        settings.breaker_open_for = Duration::from_secs(1);
    });
    let answers = bureau.ask(&["S1", "S2", "S3", "S4", "S5"]);
    assert_eq!(answers, ["lookup-failed", "lookup-failed", "lookup-failed", "lookup-unavailable", "lookup-unavailable"]);
    assert_eq!(bureau.ask(&["S6"]), ["lookup-unavailable"], "at once");
    assert_eq!((server.asked(), bureau.count("refused")), (3, 3));
    assert!(bureau.lookup.is_unavailable());
    is_well.store(true, Ordering::SeqCst);
    while bureau.lookup.is_unavailable() {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(bureau.ask(&["S7"]), ["Number(40.0)"]);
    assert_eq!(bureau.ask(&["S8", "S9"]), ["Number(40.0)", "Number(40.0)"]);
}

#[test]
fn no_more_questions_are_open_than_allowed() {
    let server = Server::start(|_| Behaviour::Says(200, "{}"));
    let bureau = Served::new(&server, |settings| settings.concurrency = 3);
    let many: Vec<String> = (0..60).map(|number| format!("S{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(bureau.ask(&many).iter().all(|answer| answer == "Missing"));
    assert_eq!(server.asked(), 60);
    assert!(server.seen.most_open.load(Ordering::SeqCst) <= 3);
}

#[test]
fn a_source_that_is_not_there_fails() {
    let server = Server::start(|_| Behaviour::Says(200, "{}"));
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("an address").port();
    let bureau = Served::new(&server, |settings| settings.url = format!("http://127.0.0.1:{port}/{{subject_id}}"));
    assert_eq!(bureau.ask(&["S1"]), ["lookup-failed"]);
    // Plain text where TLS is expected is no answer either.
    let bureau = Served::new(&server, |settings| settings.url = server.url().replace("http:", "https:"));
    assert_eq!(bureau.ask(&["S1"]), ["lookup-failed"]);
}
