//! `pulpcore dev --once`: the main job, on real files, through the REST API, in an installation that is
//! thrown away.
//!
//! The digests are computed before anything of Pulp sees a file, so that what comes out is compared with what
//! was there, not with what Pulp says was there.

mod client;
mod job;
mod report;
mod sample;
mod upstream;

use std::path::PathBuf;

use anyhow::Context;

use crate::dev::{Installation, Options};
use crate::supervise::{StopSignals, Supervisor};

/// Where files come from if nobody says.
const SOURCE: &str = "/usr/share/doc";

/// Does the job, prints a summary, stops everything.
///
/// # Errors
/// If anything fails or a byte differs; the last lines of Pulp's processes are printed then.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let mut signals = StopSignals::listen()?;
    let supervisor = Supervisor::new(true)?;
    let outcome = tokio::select! {
        outcome = in_temporary_directory(&supervisor, options) => outcome,
        signal = signals.next() => Err(anyhow::anyhow!("stopped by signal {}", signal.as_raw())),
    };
    if outcome.is_err() {
        supervisor.output.flush().await;
        for line in supervisor.output.held() {
            anstream::eprintln!("{line}");
        }
    }
    outcome
}

async fn in_temporary_directory(supervisor: &Supervisor, options: &Options) -> anyhow::Result<()> {
    let directory = tempfile::Builder::new().prefix("pulp").tempdir().context("no temporary directory")?;
    // Postgres's account has to pass if we are root; what is inside closes itself.
    let passable = std::os::unix::fs::PermissionsExt::from_mode(0o711);
    std::fs::set_permissions(directory.path(), passable)?;

    let mut report = report::Report::new();
    let (source, named) = match options.source() {
        Some(path) => (path.to_owned(), true),
        None => (PathBuf::from(SOURCE), false),
    };
    anyhow::ensure!(!named || source.is_dir(), "{} is not a folder", source.display());
    let files = directory.path().join("files");
    let sample = report
        .step(format!("copy files of {}", source.display()), None, async |bar| {
            let bar = bar.clone();
            tokio::task::spawn_blocking(move || {
                sample::collect(&source, &files, |done| bar.set_position(done))
            })
            .await?
        })
        .await?;
    report.note(sample.describe());

    let plan = options.once(directory.path().join("data"))?;
    let mut installation =
        report.step("start Pulp", None, async |_| Installation::start(supervisor, plan).await).await?;
    let upstream = upstream::Upstream::serve(directory.path().join("files"))?;
    let (client, content_url) = (client::Client::new(&installation)?, installation.content_url.clone());
    let manifest_url = upstream.manifest_url();
    let outcome = tokio::select! {
        outcome = job::run(&client, &content_url, &manifest_url, &sample, &mut report) => outcome,
        error = installation.failed() => Err(error),
    };
    installation.stop().await;
    upstream.stop().await;
    outcome?;
    report.summary(&sample);
    Ok(())
}
