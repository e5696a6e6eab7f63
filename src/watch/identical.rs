//! One and the same input, again and again: the hole that looks for unusual inputs have, since a usual one may be sent a
//! thousand times.
//!
//! Of the inputs that are seen most, as a bounded table tells (space-saving: Metwally et al. 2005), each has a statistic that
//! begins when the input enters the table, of the same kind as a group's (see [`super::stream`]): its null hypothesis is that the
//! input comes no more often than in training, its alternatives that it makes up 0.5 %, 2 % or 10 % of all. An input that leaves
//! the table loses its statistic, which only lowers the sum; so with the limit (places in the table)·A the mean number of
//! events until a false alarm is at least A.

/// Places in the table.
const PLACES: usize = 256;
/// Shares of all events that an input is suspected to have.
const SHARES: [f64; 3] = [0.005, 0.02, 0.1];
/// More than any limit.
const ODDS_MAX: f64 = 1e200;

/// How often the most frequent inputs occur in training.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct DuplicateTerms {
    /// Rows of the training data.
    pub rows: u64,
    /// Hash of an input, and how many rows have it: the most frequent.
    pub most: Vec<(u32, u64)>,
    /// No other input has more rows than this.
    pub others: u64,
}

/// See the module.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Identical {
    pub(super) places: Vec<Place>,
    pub(super) limit: f64,
    /// Input that an open incident is about, and how often it came since, of how many events.
    pub(super) open: Option<(u32, u64, u64)>,
    /// Inputs whose frequency was approved since, with it.
    pub(super) approved: Vec<(u32, f64)>,
}

/// An input in the table.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Place {
    pub(super) vector: u32,
    /// Upper bound of how often it came: the least count is given up first.
    pub(super) count: u64,
    /// Event after which its statistic began, and how often it came since.
    pub(super) since: u64,
    pub(super) hits: u64,
    pub(super) odds: [f64; 3],
    /// Rate that is nothing to wonder at.
    pub(super) rate: f64,
    /// Likelihood ratios where another input came, and where this one did.
    pub(super) steps: [[f64; 3]; 2],
}

impl Place {
    pub(super) fn new(vector: u32, event: u64, rate: f64) -> Self {
        let rate = rate.clamp(1e-12, 0.5);
        let ratio = |share: f64| if share > 2.0 * rate { [(1.0 - share) / (1.0 - rate), share / rate] } else { [0.0, 0.0] };
        let [a, b, c] = SHARES.map(ratio);
        let steps = [[a[0], b[0], c[0]], [a[1], b[1], c[1]]];
        Self { vector, count: 1, since: event, hits: 0, odds: [0.0; 3], rate, steps }
    }
}

/// An input passed the limit.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Flood {
    pub(super) place: Place,
    pub(super) statistic: f64,
    pub(super) limit: f64,
}

impl Identical {
    pub(super) fn new(events_between_false_alarms: f64) -> Self {
        Self { places: Vec::new(), limit: PLACES as f64 * events_between_false_alarms, open: None, approved: Vec::new() }
    }

    /// Takes a place back from a snapshot; more than there are, are none.
    pub(super) fn restore(&mut self, place: Place) {
        if self.places.len() < PLACES {
            self.places.push(place);
        }
    }

    /// Takes in the event's input, a hash of it; 0 for none.
    pub(super) fn fold(&mut self, event: u64, vector: u32, terms: &DuplicateTerms) -> Option<Flood> {
        if vector == 0 || terms.rows == 0 {
            return None;
        }
        if let Some((of, hits, events)) = &mut self.open {
            *events += 1;
            *hits += u64::from(*of == vector);
            return None;
        }
        let mut found = None;
        for (at, place) in self.places.iter_mut().enumerate() {
            let hit = place.vector == vector;
            for (odds, ratio) in place.odds.iter_mut().zip(place.steps[usize::from(hit)]) {
                *odds = ((*odds + 1.0) * ratio).min(ODDS_MAX);
            }
            if hit {
                found = Some(at);
            }
        }
        let Some(at) = found else {
            self.enter(event, vector, terms);
            return None;
        };
        let place = &mut self.places[at];
        place.count += 1;
        place.hits += 1;
        let statistic = place.odds.iter().sum::<f64>() / place.odds.len() as f64;
        (statistic >= self.limit).then_some(Flood { place: *place, statistic, limit: self.limit })
    }

    /// Gives the input a place, if need be that of the one that came least.
    fn enter(&mut self, event: u64, vector: u32, terms: &DuplicateTerms) {
        let mut place = Place::new(vector, event, self.usual(vector, terms));
        if self.places.len() < PLACES {
            self.places.push(place);
            return;
        }
        let least = (0..self.places.len()).min_by_key(|at| (self.places[*at].count, self.places[*at].since));
        if let Some(least) = least.and_then(|at| self.places.get_mut(at)) {
            place.count = least.count + 1;
            *least = place;
        }
    }

    /// The rate at which an input may come: its rate in training plus three standard deviations, and half as much again.
    fn usual(&self, vector: u32, terms: &DuplicateTerms) -> f64 {
        let listed = terms.most.iter().find(|(known, _)| *known == vector).map(|(_, rows)| *rows);
        let rows = listed.unwrap_or(terms.others) as f64;
        let approved = self.approved.iter().find(|(known, _)| *known == vector).map_or(0.0, |(_, rate)| *rate);
        let trained = 1.5 * (rows + 3.0 * (rows + 1.0).sqrt()) / terms.rows as f64;
        trained.max(1.5 * approved)
    }

    /// Notes that an incident about this input is open. There is one at a time.
    pub(super) fn opened(&mut self, vector: u32) {
        self.open = Some((vector, 0, 0));
    }

    /// The incident is over. With `recent` the input may come as often as it did since.
    ///
    /// # Errors
    /// With how many events there are, if these are too few.
    pub(super) fn over(&mut self, recent: bool) -> Result<(), u64> {
        let Some((vector, hits, events)) = self.open else { return Ok(()) };
        if recent {
            if events < super::rates::APPROVE_MIN {
                return Err(events);
            }
            self.approved.retain(|(known, _)| *known != vector);
            self.approved.push((vector, (hits as f64 + 3.0) / events as f64));
            if self.approved.len() > PLACES {
                self.approved.remove(0);
            }
        }
        self.open = None;
        self.places.clear();
        Ok(())
    }
}
