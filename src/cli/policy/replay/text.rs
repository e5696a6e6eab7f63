//! What people read after a replay.

use super::{Kind, name_of};
use crate::cli::policy::reason_text;
use crate::cli::recorded::Events;
use crate::cli::terminal::{FAINT, GOOD, STRONG, Table, WARNING, WRONG, paint, thousands};
use crate::cli::text::wrap;
use crate::policy::{Band, PolicySet};
use crate::replay::{Attribute, Comparison, Difference, Example, Held, Incidents, Label, Side, Tally, TwoSets};

/// So wide a text is made that it fits most terminals.
const COLUMNS: usize = 100;
/// So many levels of an attribute are shown; JSON has all that were counted.
const LEVELS_SHOWN: usize = 12;

/// What one set of policies decided.
pub(super) fn tally(tally: &Tally, set: &PolicySet, described: &str) -> Vec<String> {
    let mut lines = vec![paint(STRONG, names(set)), format!("on {described}"), String::new()];
    let of_all = tally.decisions();
    let mut table = Table::new(&["", "records", "share", ""]).right(&[1, 2]);
    let mut row = |name: &str, count: u64, of: Option<u64>, beside: String| {
        let share = of.map_or_else(String::new, |of| percent(count, of));
        table.row([name.to_owned(), thousands(count), share, faint(&beside)]);
    };
    row("decided", of_all, None, String::new());
    row("  released", tally.released, Some(of_all), String::new());
    row("  held", tally.held_in_all(), Some(of_all), String::new());
    for band in Band::ALL {
        row(&format!("    {}", band.as_str()), tally.held[band.index()], Some(of_all), String::new());
    }
    let unreadable: Vec<(&str, u64)> = tally.unreadable().map(|(code, count)| (code.as_str(), count)).collect();
    if !unreadable.is_empty() {
        let codes: Vec<String> = unreadable.iter().map(|(code, count)| format!("{code} {}", thousands(*count))).collect();
        let count = unreadable.iter().map(|(_, count)| count).sum();
        row("  unreadable", count, Some(of_all), format!("held: {}", codes.join(", ")));
    }
    if tally.late > 0 {
        row("  late", tally.late, Some(of_all), "older than max_age when they were decided".to_owned());
    }
    let (differs, tried) = tally.shadow;
    if tried > 0 {
        row("  shadow differs", differs, Some(tried), format!("of {} that a candidate was tried on", thousands(tried)));
    }
    if tally.duplicates > 0 {
        row("duplicates", tally.duplicates, None, "the same event with the same content: nothing is decided".to_owned());
    }
    lines.extend(table.lines());
    lines.push(String::new());
    lines.extend(findings(tally));
    lines.extend(incidents("", &tally.incidents));
    lines
}

/// So many incidents are shown; JSON has their entries.
const INCIDENTS_SHOWN: usize = 10;

/// The incidents that were opened, a sentence each; `beside` says by which side.
fn incidents(beside: &str, all: &Incidents) -> Vec<String> {
    if all.opened == 0 {
        return Vec::new();
    }
    let mut lines = vec![String::new(), format!("{}{beside}: {}", paint(WARNING, "incidents opened"), thousands(all.opened))];
    for incident in all.first.iter().take(INCIDENTS_SHOWN) {
        let head = format!("{} at event {}", incident.kind.as_str(), thousands(incident.at_event));
        lines.push(format!("  {}", paint(STRONG, head)));
        lines.extend(wrap(&incident.sentence, COLUMNS - 4).into_iter().map(|line| format!("    {line}")));
    }
    let shown = all.first.len().min(INCIDENTS_SHOWN) as u64;
    if all.opened > shown {
        lines.push(format!("  and {} more", thousands(all.opened - shown)));
    }
    lines
}

fn findings(tally: &Tally) -> Vec<String> {
    let mut table = Table::new(&["finding", "kind", "hits", "share", "errors", "timeouts"]).right(&[2, 3, 4, 5]);
    for (label, counts) in tally.findings() {
        table.row([
            label_text(label),
            label.kind.to_owned(),
            thousands(counts.hits),
            percent(counts.hits, tally.decisions()),
            failures(counts.errors),
            failures(counts.timeouts),
        ]);
    }
    table.lines()
}

/// What two sets of policies decide differently.
pub(super) fn comparison(two: &TwoSets, allowed: Option<f64>, events: &Events) -> Vec<String> {
    let comparison = two.comparison();
    let [policy, against] = two.sides().map(|side| names(side.set()));
    let mut lines = vec![format!("policy   {}", paint(STRONG, policy)), format!("against  {}", paint(STRONG, against))];
    lines.push(format!("on {}", events.described()));
    lines.push(String::new());
    lines.extend(outcomes(comparison));
    lines.push(String::new());
    lines.extend(triggers(comparison));
    if comparison.subgroups.attributes().next().is_some() {
        lines.push(String::new());
        lines.extend(subgroups(comparison));
    }
    for (side, all) in [" by policy", " by against"].into_iter().zip(&comparison.incidents) {
        lines.extend(incidents(side, all));
    }
    for difference in Difference::ALL {
        lines.extend(examples(comparison, difference, events.kind()));
    }
    lines.push(String::new());
    lines.push(verdict(comparison, allowed));
    lines
}

fn outcomes(comparison: &Comparison) -> Vec<String> {
    let [[both_release, now_held], [now_released, both_hold]] = comparison.outcomes;
    let of_all = comparison.decisions();
    let mut table = Table::new(&["", "records", "share", ""]).right(&[1, 2]);
    let mut row = |name: &str, count: u64, beside: String| {
        table.row([name.to_owned(), thousands(count), percent(count, of_all), faint(&beside)]);
    };
    row("decided", of_all, String::new());
    row("  held by policy", now_released + both_hold, String::new());
    row("  held by against", now_held + both_hold, String::new());
    row("  released by both", both_release, String::new());
    row("  held by both", both_hold, String::new());
    row(difference_name(Difference::NowHeld), now_held, String::new());
    row(difference_name(Difference::NowReleased), now_released, String::new());
    let changes: Vec<String> = comparison
        .band_changes()
        .map(|(from, to, count)| format!("{} → {} {}", from.as_str(), to.as_str(), thousands(count)))
        .collect();
    row(difference_name(Difference::OtherBand), comparison.changed(Difference::OtherBand), changes.join(", "));
    if comparison.duplicates > 0 {
        let beside = paint(FAINT, "the same event with the same content: nothing is decided");
        table.row(["duplicates".to_owned(), thousands(comparison.duplicates), String::new(), beside]);
    }
    table.lines()
}

const fn difference_name(difference: Difference) -> &'static str {
    match difference {
        Difference::NowHeld => "released → held",
        Difference::NowReleased => "held → released",
        Difference::OtherBand => "held in another band",
    }
}

fn triggers(comparison: &Comparison) -> Vec<String> {
    let headings = ["hits of", "kind", "policy only", "against only", "both", "errors of policy", "of against"];
    let mut table = Table::new(&headings).right(&[2, 3, 4, 5, 6]);
    for (label, counts) in comparison.triggers() {
        let [first, second, both] = [counts.first, counts.second, counts.both].map(thousands);
        let [failed_first, failed_second] = counts.failed.map(failures);
        table.row([label_text(label), label.kind.to_owned(), first, second, both, failed_first, failed_second]);
    }
    table.lines()
}

fn subgroups(comparison: &Comparison) -> Vec<String> {
    let headings = ["subgroup", "level", "records", "held by policy", "by against", "points"];
    let mut table = Table::new(&headings).right(&[2, 3, 4, 5]);
    for (name, attribute) in comparison.subgroups.attributes() {
        for (level, held) in levels(attribute) {
            let points = (held.share(1) - held.share(0)) * 100.0;
            table.row([
                name.to_owned(),
                level,
                thousands(held.events),
                percent(held.held[0], held.events),
                percent(held.held[1], held.events),
                if points.abs() < 0.05 { "0.0".to_owned() } else { format!("{points:+.1}") },
            ]);
        }
    }
    let mut lines = table.lines();
    if comparison.subgroups.other > 0 {
        let other = thousands(comparison.subgroups.other);
        lines.push(paint(FAINT, format!("and {other} values of further attributes, which are not told apart")));
    }
    lines
}

/// The levels that are shown, the most frequent ones, in the order of their names, and what is left of the others.
fn levels(attribute: &Attribute) -> Vec<(String, Held)> {
    let mut counts: Vec<u64> = attribute.levels.values().map(|held| held.events).collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let least = counts.get(LEVELS_SHOWN - 1).copied().unwrap_or(0);
    let (mut shown, mut other) = (Vec::new(), attribute.other);
    for (name, held) in &attribute.levels {
        if held.events >= least && shown.len() < LEVELS_SHOWN {
            shown.push((fitting(name, 32), *held));
        } else {
            other.events += held.events;
            other.held = [other.held[0] + held.held[0], other.held[1] + held.held[1]];
        }
    }
    if other.events > 0 {
        shown.push(("(others)".to_owned(), other));
    }
    shown
}

fn examples(comparison: &Comparison, difference: Difference, kind: Kind) -> Vec<String> {
    let all = comparison.changed(difference);
    let shown = comparison.examples_of(difference).count();
    if shown == 0 {
        return Vec::new();
    }
    let heading = format!("{}: {} of {}", difference_name(difference), shown, thousands(all));
    let mut lines = vec![String::new(), paint(STRONG, heading)];
    for example in comparison.examples_of(difference) {
        let id = example.event_id.as_deref().unwrap_or("(no id)");
        lines.push(format!("  {}  {}", fitting(id, 60), paint(FAINT, place(example, kind))));
        for (name, side) in ["policy", "against"].into_iter().zip(&example.sides) {
            lines.extend(side_lines(name, side));
        }
    }
    lines
}

fn place(example: &Example, kind: Kind) -> String {
    let Example { log, offset, .. } = example;
    match kind {
        Kind::Files => format!("{}:{}", log.topic, offset + 1),
        Kind::Topic => format!("{}/{} at offset {offset}", log.topic, log.partition),
    }
}

fn side_lines(name: &str, side: &Side) -> Vec<String> {
    let head = format!("    {name:<8} {:<8} {:<8} {:>5.1}  ", side.outcome.as_str(), side.band.as_str(), side.score);
    let indent = head.chars().count();
    let mut said: Vec<String> = side.reasons.iter().map(reason_text).collect();
    if said.is_empty() {
        said.push("nothing was found".to_owned());
    }
    let mut texts = said.iter().flat_map(|said| wrapped(said, COLUMNS - indent));
    let first = format!("{head}{}", texts.next().unwrap_or_default());
    std::iter::once(first).chain(texts.map(|text| format!("{:indent$}{text}", ""))).collect()
}

fn verdict(comparison: &Comparison, allowed: Option<f64>) -> String {
    let changed = comparison.changed(Difference::NowHeld) + comparison.changed(Difference::NowReleased);
    let share = percent(changed, comparison.decisions());
    let said = format!("{share} of the outcomes change, {} of {}", thousands(changed), thousands(comparison.decisions()));
    match allowed {
        None => said,
        Some(allowed) if comparison.changed_share() <= allowed => {
            format!("{} {said}; {} are allowed", paint(GOOD, "ok"), allowance(allowed))
        }
        Some(allowed) => format!("{} {said}; {} are allowed", paint(WRONG, "too many:"), allowance(allowed)),
    }
}

/// `2 %`.
fn allowance(share: f64) -> String {
    // Digits that only the conversion from a percentage brought are not shown.
    format!("{} %", (share * 1e8).round() / 1e6)
}

fn names(set: &PolicySet) -> String {
    set.policies().iter().map(name_of).collect::<Vec<_>>().join(", ")
}

fn label_text(label: &Label) -> String {
    label.policy.as_ref().map_or_else(|| label.id.clone(), |policy| format!("{policy}/{}", label.id))
}

/// Nothing stays nothing, so that no white space ends a line.
fn faint(text: &str) -> String {
    if text.is_empty() { String::new() } else { paint(FAINT, text) }
}

/// A count that should be 0.
fn failures(count: u64) -> String {
    if count == 0 { "0".to_owned() } else { paint(WARNING, thousands(count)) }
}

/// `9.9 %`; of nothing nothing.
fn percent(count: u64, of: u64) -> String {
    if of == 0 {
        return "-".to_owned();
    }
    let percent = count as f64 * 100.0 / of as f64;
    if count > 0 && percent < 0.05 { "<0.1 %".to_owned() } else { format!("{percent:.1} %") }
}

/// `text`, cut where it is longer than `letters`.
fn fitting(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    text.chars().take(letters - 1).chain(['…']).collect()
}

/// `text` in lines of at most `width` letters, broken at white space.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_never_round_something_to_nothing() {
        for (count, of, text) in [(0, 0, "-"), (0, 9, "0.0 %"), (1, 9_000, "<0.1 %"), (1, 3, "33.3 %"), (9, 9, "100.0 %")] {
            assert_eq!(percent(count, of), text);
        }
        assert_eq!(["0.02", "0.005", "1"].map(|share| allowance(share.parse().expect("a number"))), ["2 %", "0.5 %", "100 %"]);
    }

    #[test]
    fn text_is_wrapped_at_words_and_longer_words_stand_alone() {
        assert_eq!(wrapped("a bc\n def  gh", 6), ["a bc", "def gh"]);
        assert_eq!(wrapped("aaaaaaaa b", 4), ["aaaaaaaa", "b"]);
        assert_eq!(wrapped("", 4), [""]);
        assert_eq!((fitting("äöü", 3), fitting("äöüx", 3)), ("äöü".to_owned(), "äö…".to_owned()));
    }

    #[test]
    fn the_most_frequent_levels_are_shown_and_nobody_is_lost() {
        let mut attribute = Attribute::default();
        for number in 0..20_u64 {
            attribute.levels.insert(format!("{number:02}"), Held { events: 1 + number % 5, held: [1, 0] });
        }
        let shown = levels(&attribute);
        assert_eq!(shown.len(), LEVELS_SHOWN + 1);
        assert_eq!(shown.iter().map(|(_, held)| held.events).sum::<u64>(), 60);
        assert_eq!(shown.last().map(|(name, held)| (name.as_str(), held.held)), Some(("(others)", [8, 0])));
    }
}
