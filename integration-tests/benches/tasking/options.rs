//! What the environment asks of a run.

use std::str::FromStr;
use std::time::Duration;

use entities::settings::WorkerStyle;

/// Whether a part is wanted: `PARTS` names some, all are by default.
pub(crate) fn wanted(part: &str) -> bool {
    let parts = std::env::var("PARTS").unwrap_or_default();
    parts.is_empty() || parts.split(',').any(|name| name == part)
}

/// The styles of tasking to measure: `STYLE` is `redis`, `postgres` or `both`.
pub(crate) fn styles() -> anyhow::Result<Vec<WorkerStyle>> {
    match std::env::var("STYLE").as_deref() {
        Err(_) | Ok("redis") => Ok(vec![WorkerStyle::Redis]),
        Ok("postgres") => Ok(vec![WorkerStyle::Postgres]),
        Ok("both") => Ok(vec![WorkerStyle::Redis, WorkerStyle::Postgres]),
        Ok(other) => anyhow::bail!("STYLE is redis, postgres or both, not {other:?}"),
    }
}

/// The name of a style in reports.
pub(crate) fn title(style: WorkerStyle) -> &'static str {
    match style {
        WorkerStyle::Redis => "with Redis and a resource manager",
        WorkerStyle::Postgres => "with Postgres only",
    }
}

/// A number that the environment may name.
pub(crate) fn number<T: FromStr>(name: &str, default: T) -> anyhow::Result<T> {
    match std::env::var(name) {
        Ok(text) => text.parse().map_err(|_| anyhow::anyhow!("{name} is no number: {text:?}")),
        Err(_) => Ok(default),
    }
}

/// Numbers that the environment may name, with commas, in ascending order.
pub(crate) fn numbers(name: &str, default: &[usize]) -> anyhow::Result<Vec<usize>> {
    let Ok(text) = std::env::var(name) else { return Ok(default.to_vec()) };
    let parsed: Result<Vec<usize>, _> = text.split(',').map(|one| one.trim().parse()).collect();
    let mut numbers = parsed.map_err(|_| anyhow::anyhow!("{name} is not numbers with commas: {text:?}"))?;
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// Seconds that the environment may name.
pub(crate) fn seconds(name: &str, default: u64) -> anyhow::Result<Duration> {
    Ok(Duration::from_secs(number(name, default)?))
}
