//! What is measured of a list, round by round.

use std::fmt;

/// One value per round.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Pages per second for many clients.
    pub(crate) rate: Vec<f64>,
    /// Milliseconds of one page for one client.
    pub(crate) alone: Vec<f64>,
    /// Milliseconds of processor time that Postgres needs for one page.
    pub(crate) postgres: Vec<f64>,
}

impl Figures {
    /// The medians as parts of those of another build.
    pub(crate) fn ratio(&self, other: &Figures) -> String {
        let part = |ours: &[f64], theirs: &[f64]| middle(ours) / middle(theirs);
        format!(
            "{:.2} pages per second, {:.2} ms for one client, {:.2} processor time of Postgres",
            part(&self.rate, &other.rate),
            part(&self.alone, &other.alone),
            part(&self.postgres, &other.postgres)
        )
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} pages per second, {} ms for one client, {} ms of Postgres per page",
            spread(&self.rate),
            spread(&self.alone),
            spread(&self.postgres)
        )
    }
}

/// The median; not a number without values.
fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn spread(values: &[f64]) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    format!("{:.2} ({least:.2} to {most:.2})", middle(values))
}
