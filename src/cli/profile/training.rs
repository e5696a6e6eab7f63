//! Training rows: a CSV file, read twice, each time in several threads.

use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use indicatif::ProgressBar;

use super::csv::{Batch, Fields, Records};
use crate::cli::lines::Input;
use crate::cli::terminal::Stopped;
use crate::cli::terminal::{progress, thousands};
use crate::event::Plain;
use crate::profile::{BuildProblem, Columns, FirstPass, Profile, SecondPass};

/// Pieces of the file that wait for each shard.
const BATCHES_AHEAD: usize = 4;

/// What stands in the cells of a column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cells {
    Numbers,
    Texts,
    /// `true`, `false`, `1`, `0`, in any case.
    Truths,
}

/// A file of training rows.
pub(super) struct Training<'a> {
    pub path: &'a Path,
    pub shards: usize,
    /// For each feature, in the order of the profile: its column, and what its cells are.
    columns: Vec<(usize, Cells)>,
    names: Vec<String>,
    width: usize,
    /// The line on which the header begins.
    header: u64,
}

/// What came of the training rows.
pub(super) struct Trained {
    pub profile: Profile,
    pub rows: u64,
    /// What is worth a warning.
    pub warnings: Vec<String>,
}

impl<'a> Training<'a> {
    /// Looks at the header of the file at `path`, which has a column for each feature.
    pub fn open(path: &'a Path, shards: usize, features: &[(String, Cells)]) -> Result<Self, Stopped> {
        let mut records = Records::open(&Input::File(path.to_owned())).map_err(|error| unreadable(path, &error))?;
        let first = records.next_batch().map_err(|error| unreadable(path, &error))?;
        let mut header = Fields::default();
        let line = first.as_ref().and_then(|batch| batch.records().next());
        let (header_line, line) = line.ok_or_else(|| Stopped::failed(format!("{} is empty", path.display())))?;
        header.read(line).map_err(|why| Stopped::failed(format!("{}: the header {why}", path.display())))?;
        let names: Vec<String> = header.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_owned()).collect();
        let mut columns = Vec::new();
        let mut lacking = Vec::new();
        for (feature, cells) in features {
            let found: Vec<usize> = (0..names.len()).filter(|place| names[*place] == *feature).collect();
            match found[..] {
                [place] => columns.push((place, *cells)),
                [] => lacking.push(format!("`{feature}`")),
                _ => return Err(Stopped::failed(format!("{}: the column `{feature}` is there twice", path.display()))),
            }
        }
        if !lacking.is_empty() {
            let hint = if names.len() == 1 { "; columns are separated by commas" } else { "" };
            return Err(Stopped::failed(format!(
                "{} has no column {}, which the calibration events have as features; its columns are {}{hint}",
                path.display(),
                lacking.join(", "),
                names.join(", ")
            )));
        }
        let features = features.iter().map(|(name, _)| name.clone()).collect();
        Ok(Self { path, shards, columns, names: features, width: names.len(), header: header_line })
    }

    /// Builds the profile.
    pub fn profile(&self, columns: &Columns) -> Result<Trained, Stopped> {
        let bar = progress(None, "training rows, first pass");
        let first = self.pass(&bar, || FirstPass::new(columns), FirstPass::add, |all, more| all.merge(&more));
        bar.finish_and_clear();
        let (first, odd) = first?;
        let rows = first.rows();
        let mut warnings = self.check_numbers(&odd, rows)?;
        let frozen = first.freeze().map_err(|problem| self.failed(&problem))?;
        for text in frozen.texts() {
            warnings
                .push(format!("`{text}` has too many different texts to be a category: only whether it is there is looked at"));
        }
        let bar = progress(Some(rows), "training rows, second pass");
        let second = self.pass(&bar, || SecondPass::new(&frozen), SecondPass::add, SecondPass::merge);
        bar.finish_and_clear();
        let profile = second?.0.finish().map_err(|problem| self.failed(&problem))?;
        Ok(Trained { profile, rows, warnings })
    }

    fn failed(&self, problem: &BuildProblem) -> Stopped {
        Stopped::failed(format!("{}: {problem}", self.path.display()))
    }

    /// One pass over all rows, in shards that are merged. Also, for each feature, what cells are no numbers that should be.
    fn pass<P: Send>(
        &self,
        bar: &ProgressBar,
        new: impl Fn() -> P + Sync,
        add: impl Fn(&mut P, &[Plain<'_>]) + Sync,
        merge: impl Fn(&mut P, P),
    ) -> Result<(P, Vec<Odd>), Stopped> {
        let shards = thread::scope(|scope| {
            let mut senders = Vec::new();
            let mut workers = Vec::new();
            for shard in 0..self.shards {
                let (sender, batches) = sync_channel::<Batch>(BATCHES_AHEAD);
                let (new, add) = (&new, &add);
                let work = move || self.shard(&batches, new(), add);
                let spawned = thread::Builder::new().name(format!("shard-{shard}")).spawn_scoped(scope, work);
                workers.push(spawned.map_err(|error| Stopped::failed(format!("Cannot start a thread: {error}")))?);
                senders.push(sender);
            }
            let read = self.read(&mut |number, batch| {
                bar.inc(batch.len() as u64);
                // A shard that failed takes no more; it says why below.
                senders[number % senders.len()].send(batch).is_ok()
            });
            drop(senders);
            let shards: Vec<_> = workers.into_iter().map(|worker| worker.join().expect("a shard does not panic")).collect();
            read.and_then(|()| shards.into_iter().collect::<Result<Vec<_>, Stopped>>())
        })?;
        let merged = shards.into_iter().reduce(|(mut all, mut odd), (more, more_odd)| {
            merge(&mut all, more);
            odd.iter_mut().zip(more_odd).for_each(|(odd, more)| odd.merge(more));
            (all, odd)
        });
        merged.ok_or_else(|| Stopped::usage("--shards is at least 1"))
    }

    fn read(&self, hand_on: &mut dyn FnMut(usize, Batch) -> bool) -> Result<(), Stopped> {
        let mut records = Records::open(&Input::File(self.path.to_owned())).map_err(|error| unreadable(self.path, &error))?;
        let mut number = 0;
        while let Some(batch) = records.next_batch().map_err(|error| unreadable(self.path, &error))? {
            if !hand_on(number, batch) {
                return Ok(());
            }
            number += 1;
        }
        Ok(())
    }

    fn shard<P>(
        &self,
        batches: &Receiver<Batch>,
        mut pass: P,
        add: &(impl Fn(&mut P, &[Plain<'_>]) + Sync),
    ) -> Result<(P, Vec<Odd>), Stopped> {
        let mut fields = Fields::default();
        let mut odd = vec![Odd::default(); self.columns.len()];
        for batch in batches {
            for (line, record) in batch.records().filter(|(line, _)| *line > self.header) {
                let wrong = |why: String| Stopped::failed(format!("{}, line {}: {why}", self.path.display(), thousands(line)));
                fields.read(record).map_err(|why| wrong(format!("the row {why}")))?;
                if fields.len() != self.width {
                    return Err(wrong(format!("the row has {} columns, the header {}", fields.len(), self.width)));
                }
                let cells = self.columns.iter().zip(&mut odd);
                let row: Vec<Plain<'_>> = cells.map(|((place, cells), odd)| value(*cells, fields.get(*place), odd)).collect();
                add(&mut pass, &row);
            }
        }
        Ok((pass, odd))
    }

    /// A column in which hardly a cell is a number, is none of numbers: the file is not what the events are.
    fn check_numbers(&self, odd: &[Odd], rows: u64) -> Result<Vec<String>, Stopped> {
        let mut warnings = Vec::new();
        for (name, odd) in self.names.iter().zip(odd).filter(|(_, odd)| odd.count > 0) {
            let (count, example) = (thousands(odd.count), odd.example.as_deref().unwrap_or_default());
            let said =
                format!("`{name}` is a number in the calibration events, and {count} of its cells are none, such as `{example}`");
            if odd.count * 2 > rows {
                return Err(Stopped::failed(format!("{}: {said}", self.path.display())));
            }
            warnings.push(format!("{said}: they count as missing"));
        }
        Ok(warnings)
    }
}

/// Cells of a column of numbers that are none.
#[derive(Clone, Debug, Default)]
struct Odd {
    count: u64,
    /// The first in the order of the alphabet, so that shards do not matter.
    example: Option<String>,
}

impl Odd {
    fn note(&mut self, cell: &str) {
        self.count += 1;
        if self.example.as_deref().is_none_or(|example| cell < example) {
            self.example = Some(cell.chars().take(32).collect());
        }
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.example = match (self.example.take(), other.example) {
            (Some(own), Some(other)) => Some(own.min(other)),
            (own, other) => own.or(other),
        };
    }
}

fn value<'a>(cells: Cells, cell: &'a str, odd: &mut Odd) -> Plain<'a> {
    if cell.is_empty() {
        return Plain::Missing;
    }
    match cells {
        Cells::Texts => Plain::Text(cell),
        Cells::Numbers => match cell.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Plain::Number(number),
            Ok(_) => Plain::Missing,
            Err(_) => {
                odd.note(cell);
                Plain::Missing
            }
        },
        Cells::Truths => match cell.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "1.0" => Plain::Bool(true),
            "false" | "0" | "0.0" => Plain::Bool(false),
            _ => Plain::Text(cell),
        },
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Stopped {
    Stopped::failed(format!("Cannot read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_what_the_events_have() {
        let mut odd = Odd::default();
        let mut number = |cell| value(Cells::Numbers, cell, &mut odd);
        assert_eq!((number("45.0"), number(" -3e2 "), number("")), (Plain::Number(45.0), Plain::Number(-300.0), Plain::Missing));
        assert_eq!((number("nan"), number("1,5"), number("?")), (Plain::Missing, Plain::Missing, Plain::Missing));
        assert_eq!((odd.count, odd.example.as_deref()), (2, Some("1,5")));
        let mut truth = |cell| value(Cells::Truths, cell, &mut odd);
        assert_eq!((truth("True"), truth("0"), truth("maybe")), (Plain::Bool(true), Plain::Bool(false), Plain::Text("maybe")));
    }
}
