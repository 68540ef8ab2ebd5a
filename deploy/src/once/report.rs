//! What is shown: a bar while a step runs, a line when it is done, a table at the end.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::sample::Sample;

/// Steps done so far, with their times.
#[derive(Debug)]
pub(crate) struct Report {
    begun: Instant,
    steps: Vec<(String, Duration)>,
}

impl Report {
    /// Starts the clock.
    pub(crate) fn new() -> Report {
        Report { begun: Instant::now(), steps: Vec::new() }
    }

    /// Runs one step with a progress display: of `length` things, or of time alone.
    ///
    /// # Errors
    /// What the step fails with, and its name.
    pub(crate) async fn step<T>(
        &mut self,
        name: impl Into<String>,
        length: Option<u64>,
        run: impl AsyncFnOnce(&ProgressBar) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let name = name.into();
        let begun = Instant::now();
        let bar = bar(&name, length);
        let outcome = run(&bar).await;
        bar.finish_and_clear();
        let took = begun.elapsed();
        match &outcome {
            Ok(_) => anstream::eprintln!("{:>9.2} s  {name}", took.as_secs_f64()),
            Err(_) => anstream::eprintln!("   failed    {name}"),
        }
        self.steps.push((name.clone(), took));
        outcome.map_err(|error| error.context(format!("step `{name}` failed")))
    }

    /// A line about the last step.
    pub(crate) fn note(&self, text: impl std::fmt::Display) {
        anstream::eprintln!("             {text}");
    }

    /// The table, on standard output.
    pub(crate) fn summary(&self, sample: &Sample) {
        let (files, bytes) = (sample.files.len(), sample.bytes());
        anstream::println!();
        anstream::println!(
            "Mirrored, published, served and compared: {files} files, {bytes} bytes, all equal."
        );
        for (name, took) in &self.steps {
            anstream::println!("{:>9.2} s  {name}", took.as_secs_f64());
        }
        anstream::println!("{:>9.2} s  in all", self.begun.elapsed().as_secs_f64());
    }
}

/// Hidden where there is no terminal.
fn bar(name: &str, length: Option<u64>) -> ProgressBar {
    let template = match length {
        Some(_) => "{elapsed_precise}  {msg} {wide_bar} {pos}/{len}",
        None => "{elapsed_precise}  {msg} {spinner}",
    };
    let bar = length.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(name.to_owned());
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
