//! Where log lines go: to the standard error output, by a thread of their own.
//!
//! No other thread ever waits for whoever reads the log. While it is not read, lines are kept; what does not
//! fit is dropped and counted.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use entities::settings::LogFormat;
use serde_json::json;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

/// Lines that are kept while the log is not read.
const KEPT: usize = 10_000;

/// Opens the way to the standard error output. Dropping the guard writes what is kept, if it is read.
///
/// # Errors
/// If the output cannot be opened a second time.
pub(super) fn open(format: LogFormat) -> anyhow::Result<(NonBlocking, WorkerGuard)> {
    // Not the library's handle: a thread that waits holds its lock, and others would wait with it.
    let copy = rustix::io::dup(io::stderr()).context("cannot open the standard error output")?;
    Ok(write_to(File::from(copy), format, KEPT))
}

fn write_to(out: impl Write + Send + 'static, format: LogFormat, kept: usize) -> (NonBlocking, WorkerGuard) {
    let dropped = Arc::new(OnceLock::new());
    let out = Output { out, format, dropped: dropped.clone(), told: 0 };
    let builder = NonBlockingBuilder::default().buffered_lines_limit(kept).lossy(true).thread_name("log");
    let (writer, guard) = builder.finish(out);
    let _ = dropped.set(writer.error_counter());
    (writer, guard)
}

struct Output<W> {
    out: W,
    format: LogFormat,
    dropped: Arc<OnceLock<ErrorCounter>>,
    /// How many dropped lines were told of.
    told: usize,
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.out.write_all(line)?;
        let dropped = self.dropped.get().map_or(0, ErrorCounter::dropped_lines);
        if dropped > self.told {
            let lines = dropped - self.told;
            self.told = dropped;
            writeln!(self.out, "{}", note(self.format, lines))?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The line that tells of lines that were dropped.
fn note(format: LogFormat, lines: usize) -> String {
    let time = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let message = "log lines were dropped, because the log was not read";
    match format {
        LogFormat::Text => format!("{time} pulp [None]: {}:WARN: {message} lines={lines}", module_path!()),
        LogFormat::Json => json!({
            "time": time, "level": "WARN", "target": module_path!(), "cid": null, "message": message, "lines": lines
        })
        .to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    #[test]
    fn a_log_that_is_not_read_holds_no_thread_up_and_tells_what_was_dropped() {
        let (read, write) = io::pipe().unwrap();
        let (mut log, guard) = write_to(write, LogFormat::Text, 100);
        let line = format!("{}\n", "x".repeat(99));
        for _ in 0..5000 {
            log.write_all(line.as_bytes()).unwrap();
        }
        let reader = std::thread::spawn(|| BufReader::new(read).lines().map(Result::unwrap).collect());
        drop((guard, log));
        let lines: Vec<String> = reader.join().unwrap();
        let notes = lines.iter().filter_map(|line| line.split_once("was not read lines="));
        let told: usize = notes.map(|(_, lines)| lines.parse::<usize>().unwrap()).sum();
        let written = lines.iter().filter(|line| line.starts_with('x')).count();
        assert!(told > 0);
        assert_eq!(written + told, 5000, "{written} and {told}");
    }
}
