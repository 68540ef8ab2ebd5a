//! Where the lines of the children go: one thread writes them, with a coloured prefix, so that a terminal
//! that is held with Ctrl-S never stops the supervisor itself.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use tokio::sync::{mpsc, oneshot};

/// Lines kept when they are not shown.
const HELD: usize = 200;

/// Width of the prefix column.
const WIDTH: usize = 10;

const PALETTE: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Green,
    AnsiColor::Yellow,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::BrightCyan,
];

enum Entry {
    Line { part: String, style: Style, text: String },
    Flush(oneshot::Sender<()>),
}

/// Takes lines of children; cheap to clone. Colours are left out where nobody sees them (no terminal,
/// `NO_COLOR`).
#[derive(Clone, Debug)]
pub(crate) struct Output {
    entries: mpsc::Sender<Entry>,
    held: Option<Arc<Mutex<VecDeque<String>>>>,
}

impl Output {
    /// Starts the thread that writes. `held`: keep the last lines instead of writing them.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start(held: bool) -> std::io::Result<Output> {
        let (entries, mut inbox) = mpsc::channel(1024);
        let held = held.then(|| Arc::new(Mutex::new(VecDeque::new())));
        let kept = held.clone();
        std::thread::Builder::new().name("output".into()).spawn(move || {
            while let Some(entry) = inbox.blocking_recv() {
                match entry {
                    Entry::Line { part, style, text } => match &kept {
                        Some(kept) => keep(kept, format!("{part:WIDTH$} | {text}")),
                        // A closed terminal is no reason to stop: the children must still be read.
                        None => drop(writeln!(anstream::stderr(), "{style}{part:WIDTH$} |{style:#} {text}")),
                    },
                    Entry::Flush(done) => {
                        let _ = done.send(());
                    }
                }
            }
        })?;
        Ok(Output { entries, held })
    }

    /// The colour of the part with this name; equal names have equal colours.
    pub(crate) fn style(part: &str) -> Style {
        let sum: usize = part.bytes().map(usize::from).sum();
        Style::new().fg_color(PALETTE.get(sum % PALETTE.len()).map(|color| (*color).into()))
    }

    /// Shows one line of `part`, waiting while the writer is behind.
    pub(crate) async fn line(&self, part: &str, style: Style, text: String) {
        drop(self.entries.send(Entry::Line { part: part.to_owned(), style, text }).await);
    }

    /// Says something as the supervisor.
    pub(crate) async fn say(&self, text: impl Into<String>) {
        self.line("pulpcore", Style::new().bold(), text.into()).await;
    }

    /// Waits until everything said so far is written, at most two seconds.
    pub(crate) async fn flush(&self) {
        let (done, written) = oneshot::channel();
        let flushed = async {
            drop(self.entries.send(Entry::Flush(done)).await);
            drop(written.await);
        };
        drop(tokio::time::timeout(Duration::from_secs(2), flushed).await);
    }

    /// The last lines that were kept instead of shown.
    pub(crate) fn held(&self) -> Vec<String> {
        match &self.held {
            Some(held) => held.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect(),
            None => Vec::new(),
        }
    }
}

fn keep(held: &Mutex<VecDeque<String>>, line: String) {
    let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
    if held.len() == HELD {
        held.pop_front();
    }
    held.push_back(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn held_lines_are_bounded_and_the_last_ones_stay() {
        let output = Output::start(true).unwrap();
        for number in 0..HELD + 5 {
            output.line("api", Output::style("api"), number.to_string()).await;
        }
        output.flush().await;
        let held = output.held();
        assert_eq!(held.len(), HELD);
        assert_eq!(held.first().unwrap(), "api        | 5");
    }
}
