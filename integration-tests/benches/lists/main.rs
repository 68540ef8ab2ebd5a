//! How fast a list of 100 repositories is printed, and what it costs Postgres.
//!
//! `cargo build --release && PULPCORE=$PWD/target/release/pulpcore BASELINE=/path/to/another/pulpcore cargo
//! bench -p integration-tests --bench lists`. `BASELINE` names another build to compare with: each has a
//! database of its own with `ROWS` repositories (1,000), and both are measured in turns, `ROUNDS` times (5)
//! for `ROUND_SECONDS` (5) each; the one that begins changes from round to round. Prints the median of the
//! rounds with its range, and the ratio of the medians.

mod figures;
#[path = "../tasking/processor.rs"]
mod processor;

use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, Instant};

use figures::Figures;
use futures_util::future::try_join_all;
use integration_tests::fixtures::REPOSITORIES;
use integration_tests::{Client, Pulp, executable};
use processor::Used;
use serde_json::json;

/// Clients that ask at the same time, where throughput is measured.
const CLIENTS: usize = 32;

/// Rows of a page.
const PAGE: usize = 100;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (rows, rounds) = (number("ROWS", 1000)?, number("ROUNDS", 5)?);
    let length = Duration::from_secs(number("ROUND_SECONDS", 5)?);
    let mut installations = Vec::new();
    for (name, path) in executable::compared() {
        installations.push((name, fill(path, rows).await?, Figures::default()));
    }
    for round in 0..rounds {
        let begin = round % installations.len();
        for place in 0..installations.len() {
            let count = installations.len();
            let (_, pulp, figures) = &mut installations[(begin + place) % count];
            measure(pulp, figures, length).await?;
        }
    }
    println!("{PAGE} of {rows} repositories; {rounds} rounds of {} s: median (range)", length.as_secs());
    for (name, _, figures) in &installations {
        println!("{name}: {figures}");
    }
    if let [(_, _, ours), (_, _, baseline)] = installations.as_slice() {
        println!("of the baseline: {}", ours.ratio(baseline));
    }
    Ok(())
}

/// An installation of an executable with so many repositories.
async fn fill(executable: PathBuf, rows: usize) -> anyhow::Result<Pulp> {
    let builder = Pulp::builder().executable(executable).workers(0).managers(0).set("PULP_LOG_LEVEL", "warn");
    let pulp = builder.start().await;
    for number in 0..rows {
        let body =
            json!({"name": format!("repository-{number}"), "pulp_labels": {"number": number.to_string()}});
        pulp.client.post(REPOSITORIES, &body).await.expect(201);
    }
    sqlx::raw_sql("VACUUM ANALYZE").execute(&mut pulp.database().await).await?;
    Ok(pulp)
}

/// One round: half of the time with one client, half with many.
async fn measure(pulp: &Pulp, figures: &mut Figures, length: Duration) -> anyhow::Result<()> {
    let (alone, began) = (ask(pulp.client.clone(), length / 2).await?, Instant::now());
    let postgres = pulp.services().postgres_pid;
    let before = Used::now(postgres);
    let asked = try_join_all((0..CLIENTS).map(|_| ask(pulp.client.clone(), length / 2))).await?;
    let asked = asked.iter().sum::<usize>() as f64;
    let used = Used::now(postgres).since(before).per(asked);
    figures.rate.push(asked / began.elapsed().as_secs_f64());
    figures.alone.push(length.as_secs_f64() * 500.0 / alone as f64);
    figures.postgres.push(used.postgres * 1000.0);
    Ok(())
}

/// Asks for one page after another; returns how many came.
async fn ask(client: Client, length: Duration) -> anyhow::Result<usize> {
    let (began, mut count) = (Instant::now(), 0);
    while began.elapsed() < length {
        let page = client.get(&format!("{REPOSITORIES}?limit={PAGE}")).await.expect(200);
        anyhow::ensure!(page["results"].as_array().is_some_and(|rows| rows.len() == PAGE), "a page is short");
        count += 1;
    }
    Ok(count)
}

/// A number that the environment may name.
fn number<T: FromStr>(name: &str, default: T) -> anyhow::Result<T> {
    match std::env::var(name) {
        Ok(text) => text.parse().map_err(|_| anyhow::anyhow!("{name} is no number: {text:?}")),
        Err(_) => Ok(default),
    }
}
