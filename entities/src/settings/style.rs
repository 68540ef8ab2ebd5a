//! Three names for one choice: which tasking system runs.

use super::WorkerStyle;
use super::values::Values;

/// The tasking system that the given names agree on; Redis if none is given.
///
/// # Errors
/// If two of them contradict each other; the line names both and their sources.
pub(super) fn decide(values: &Values) -> Result<WorkerStyle, String> {
    let names = ["USE_NEW_WORKER_STYLE", "USE_NEW_WORKER_TYPE", "WORKER_TYPE"];
    let mut decided: Option<(WorkerStyle, String)> = None;
    for name in names {
        let Some(leaf) = values.given(name) else {
            continue;
        };
        let style = match leaf.value.as_bool().unwrap_or(leaf.value == "pulpcore") {
            true => WorkerStyle::Postgres,
            false => WorkerStyle::Redis,
        };
        let said = format!("{name}={} ({})", leaf.value, leaf.source);
        match &decided {
            Some((other, before)) if *other != style => {
                return Err(format!("{before} and {said} contradict each other (keep one)"));
            }
            Some(_) => {}
            None => decided = Some((style, said)),
        }
    }
    Ok(decided.map_or(WorkerStyle::Redis, |(style, _)| style))
}
