//! The formulas: intervals of a share, bands around a baseline, likelihood ratios. `triggers.md` section 2 is their source;
//! `tests/data/golden/watch.json` holds values of them that another implementation gave.

/// The alternatives' distances in log-odds from the edge of the band.
pub(super) const DISTANCES: [f64; 3] = [0.25, 0.5, 1.0];
/// What a band allows for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Allowance {
    /// Share of cases in which the baseline's interval is to hold its true rate.
    pub(super) confidence: f64,
    /// Part of a rate (or of its complement, whichever is smaller) by which it may move without anybody caring.
    pub(super) material: f64,
}

/// For everybody and for groups by one attribute: few, and with many events each.
pub(super) const COARSE: Allowance = Allowance { confidence: 0.5, material: 0.05 };
/// For intersections, and bins of inputs: many, of which some baseline is far off by chance.
pub(super) const FINE: Allowance = Allowance { confidence: 0.8, material: 0.1 };
/// How far a group may have kept from its baseline and still be what was approved.
const APPROVED_CONFIDENCE: f64 = 0.95;
/// An event of the baseline counts as much as so many of the stream.
const APPROVED_WEIGHT: f64 = 10.0;
/// Standard normal deviation of a two-sided 95 % interval.
const Z_95: f64 = 1.959_963_984_540_054;
/// Standard normal deviation of a two-sided 80 % interval.
pub(super) const Z_80: f64 = 1.281_551_565_544_600_4;
/// Log-odds beyond this are cut: rates closer to 0 or 1 than 1e-12 are not told apart.
const LOGIT_MAX: f64 = 27.6;

/// Log-odds of a rate.
pub(super) fn logit(rate: f64) -> f64 {
    (rate / (1.0 - rate)).ln().clamp(-LOGIT_MAX, LOGIT_MAX)
}

/// The rate with these log-odds.
pub(super) fn rate_of(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit.clamp(-LOGIT_MAX, LOGIT_MAX)).exp())
}

/// How far a group's log-odds may lie from its baseline without anything having changed.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Band {
    /// Downward, at least 0.
    pub(super) low: f64,
    /// Upward, at least 0.
    pub(super) high: f64,
}

impl Band {
    /// Around the share of `hits` in `events`: the sampling error of the baseline (Clopper–Pearson) and what is not material.
    pub(super) fn around(hits: u64, events: u64, allowance: Allowance) -> Self {
        let rate = jeffreys(hits, events);
        let (low, high) = clopper_pearson(hits, events, allowance.confidence);
        let (material, centre) = (allowance.material * rate.min(1.0 - rate), logit(rate));
        Self { low: (centre - edge(low - material)).max(0.0), high: (edge(high + material) - centre).max(0.0) }
    }

    /// The band once the group has kept to a level without a sign of change. It moves with that level, since over a long time
    /// the baseline's own sampling error would show; but an event of the baseline weighs as much as ten of the stream, and it
    /// never reaches further than what the baseline says with 95 % confidence, so that a rate that creeps away is noticed all
    /// the same. It is never narrower than what is material, so that a rate that comes back to the baseline is no alarm.
    pub(super) fn kept(self, hits: u64, events: u64, allowance: Allowance, kept: [super::stream::Kept; 2]) -> Self {
        let rate = jeffreys(hits, events);
        let prior = APPROVED_WEIGHT * events as f64 * rate * (1.0 - rate);
        let by = allowance.material * rate.min(1.0 - rate);
        let material = Self { low: logit(rate) - edge(rate - by), high: edge(rate + by) - logit(rate) };
        let widest = Self::around(hits, events, Allowance { confidence: APPROVED_CONFIDENCE, ..allowance });
        let side = |whole: f64, material: f64, widest: f64, away: f64, kept: super::stream::Kept| {
            let (part, level) = (prior / (prior + kept.information), kept.surplus / (prior + kept.information));
            let reach = away * level + (whole - material).max(0.0) * part.sqrt() + material;
            reach.clamp(material.min(whole), widest.max(whole))
        };
        Self {
            low: side(self.low, material.low, widest.low, -1.0, kept[0]),
            high: side(self.high, material.high, widest.high, 1.0, kept[1]),
        }
    }

    /// A band that holds both.
    pub(super) fn or_wider(self, other: Self) -> Self {
        Self { low: self.low.max(other.low), high: self.high.max(other.high) }
    }

    /// A band wider by so much on both sides.
    pub(super) fn wider_by(self, by: f64) -> Self {
        Self { low: self.low + by, high: self.high + by }
    }
}

/// The share's estimate that is never 0 or 1 (mean of the posterior under Jeffreys' prior).
pub(super) fn jeffreys(hits: u64, events: u64) -> f64 {
    (hits as f64 + 0.5) / (events as f64 + 1.0)
}

fn edge(rate: f64) -> f64 {
    logit(rate.clamp(1e-12, 1.0 - 1e-12))
}

/// Likelihood ratios of one event, `[downward × distances, upward × distances]` for no hit and for a hit.
pub(super) type Steps = [[f64; 6]; 2];

/// Of an event whose log-odds are `centre` by the baseline and may lie in the band around it.
pub(super) fn steps(centre: f64, band: Band) -> Steps {
    let mut steps = [[1.0; 6]; 2];
    for (side, (edge, sign)) in [(centre - band.low, -1.0), (centre + band.high, 1.0)].into_iter().enumerate() {
        let null = rate_of(edge);
        for (place, distance) in DISTANCES.into_iter().enumerate() {
            let alternative = rate_of(edge + sign * distance);
            steps[0][3 * side + place] = (1.0 - alternative) / (1.0 - null);
            steps[1][3 * side + place] = alternative / null;
        }
    }
    steps
}

/// The exact interval of a share (Clopper and Pearson 1934).
pub(super) fn clopper_pearson(hits: u64, events: u64, confidence: f64) -> (f64, f64) {
    let tail = (1.0 - confidence) / 2.0;
    let misses = events.saturating_sub(hits);
    let low = if hits == 0 { 0.0 } else { beta_quantile(tail, hits as f64, misses as f64 + 1.0) };
    let high = if misses == 0 { 1.0 } else { beta_quantile(1.0 - tail, hits as f64 + 1.0, misses as f64) };
    (low, high)
}

/// The 95 % interval of a share that is shown to people (Wilson 1927).
pub(super) fn wilson(hits: u64, events: u64) -> (f64, f64) {
    if events == 0 {
        return (0.0, 1.0);
    }
    let (n, z2) = (events as f64, Z_95 * Z_95);
    let share = hits as f64 / n;
    let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z_95 / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

/// Where the beta distribution's function has the value `share`: by bisection, until no double lies between.
fn beta_quantile(share: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            break;
        }
        if beta_share(middle, a, b) < share { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// Regularised incomplete beta function, by its continued fraction (Lentz's method).
fn beta_share(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_share(1.0 - x, b, a);
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp() / a;
    let keep = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let (mut above, mut below) = (1.0, 1.0 / keep(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = below;
    for step in 1..=1_000 {
        let at = f64::from(step);
        let even = at * (b - at) * x / ((a + 2.0 * at - 1.0) * (a + 2.0 * at));
        let odd = -(a + at) * (a + b + at) * x / ((a + 2.0 * at) * (a + 2.0 * at + 1.0));
        for term in [even, odd] {
            below = 1.0 / keep(1.0 + term * below);
            above = keep(1.0 + term / above);
            fraction *= below * above;
        }
        if (below * above - 1.0).abs() < 1e-16 {
            break;
        }
    }
    front * fraction
}

/// ln Γ(x) for x > 0: Stirling's series, reached by recurrence.
fn ln_gamma(mut x: f64) -> f64 {
    let mut below = 1.0;
    while x < 15.0 {
        below *= x;
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    let series =
        (1.0 / 12.0 - inverse * (1.0 / 360.0 - inverse * (1.0 / 1_260.0 - inverse * (1.0 / 1_680.0 - inverse / 1_188.0)))) / x;
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - f64::ln(below)
}
