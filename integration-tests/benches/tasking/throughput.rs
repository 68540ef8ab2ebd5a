//! Tasks per second beside three commits of pgbench and beside rq.

use entities::settings::WorkerStyle;

use crate::installation::Installation;
use crate::undisturbed::undisturbed;
use crate::{load, options, peers};

/// How often everything is measured, in turn.
const ROUNDS: usize = 3;

/// Prints them for these styles, and what they are compared with.
pub(crate) async fn measure(styles: &[WorkerStyle]) -> anyhow::Result<()> {
    let mut installations = Vec::new();
    for style in styles {
        let installation = Installation::start(*style, 2).await?;
        load::drain(&installation, 1000).await?;
        installations.push(installation);
    }
    let Some(beside) = installations.first() else { return Ok(()) };
    let (mut ours, mut narrow, mut wide) = (vec![Vec::new(); styles.len()], Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        narrow.push(fastest(async || peers::three_commits(beside, &peers::NARROW)).await?);
        for (installation, ours) in installations.iter().zip(&mut ours) {
            ours.push(fastest(async || load::drain(installation, load::TASKS).await).await?);
        }
        wide.push(fastest(async || peers::three_commits(beside, &peers::TASK)).await?);
    }
    let (narrow, wide) = (mean(&narrow), mean(&wide));
    let rq = fastest(async || peers::rq(beside)).await?;
    println!("pgbench, INSERT and two UPDATEs as three commits, 4 clients:");
    println!("  a narrow row: {narrow:.0} per second; the row of a task: {wide:.0}");
    println!("rq, 2 workers, forking as by default: {rq:.0} tasks per second");
    for (style, ours) in styles.iter().zip(&ours) {
        let mean = mean(ours);
        println!("2 workers {}, 4 clients: {mean:.0} tasks per second", options::title(*style));
        println!(
            "  of the narrow row {:.2}, of the row of a task {:.2}, of rq {:.0} times",
            mean / narrow,
            mean / wide,
            mean / rq
        );
    }
    Ok(())
}

async fn fastest(measure: impl AsyncFn() -> anyhow::Result<f64>) -> anyhow::Result<f64> {
    undisturbed(measure, |rate| -rate).await
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
