//! Measurements on a machine whose host may give its processors to others.

use std::time::{Duration, Instant};

use integration_tests::host::stolen;

/// How often something is measured at most.
const ATTEMPTS: usize = 5;

/// How often it is measured while the host takes little.
const QUIET: usize = 2;

/// Until the next attempt, if the host took more.
const PAUSE: Duration = Duration::from_secs(20);

/// The share of the processors' time that it may take.
const LIMIT: f64 = 0.05;

/// What was measured, and the share of the processors' time that went to others meanwhile.
struct Attempt<T> {
    value: T,
    taken: f64,
}

impl<T> Attempt<T> {
    fn is_quiet(&self) -> bool {
        self.taken <= LIMIT
    }
}

/// Measures twice, and again while the host takes too much. Answers what cost least of that which was
/// measured in quiet: whoever shares the processors makes everything look more expensive, and nothing
/// cheaper.
pub(crate) async fn undisturbed<T>(
    measure: impl AsyncFn() -> anyhow::Result<T>,
    cost: impl Fn(&T) -> f64,
) -> anyhow::Result<T> {
    let mut best = attempt(&measure).await?;
    let mut quiet = usize::from(best.is_quiet());
    for _ in 1..ATTEMPTS {
        if quiet == QUIET {
            break;
        }
        if quiet == 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let next = attempt(&measure).await?;
        quiet += usize::from(next.is_quiet());
        let better = match (best.is_quiet(), next.is_quiet()) {
            (true, true) => cost(&next.value) < cost(&best.value),
            (true, false) => false,
            (false, _) => next.taken < best.taken,
        };
        if better {
            best = next;
        }
    }
    if !best.is_quiet() {
        println!("(the host took {:.0} % of the processors' time at least)", best.taken * 100.0);
    }
    Ok(best.value)
}

async fn attempt<T>(measure: impl AsyncFn() -> anyhow::Result<T>) -> anyhow::Result<Attempt<T>> {
    let processors = std::thread::available_parallelism()?.get() as f64;
    let (began, stolen_before) = (Instant::now(), stolen());
    let value = measure().await?;
    let taken = (stolen() - stolen_before).as_secs_f64() / began.elapsed().as_secs_f64() / processors;
    Ok(Attempt { value, taken })
}
