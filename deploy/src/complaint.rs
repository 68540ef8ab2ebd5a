//! How the command tells what went wrong: a line per cause, no backtraces.

use std::sync::mpsc;
use std::time::Duration;

/// How long the standard error output may take: whoever should read it may not do so.
const PATIENCE: Duration = Duration::from_secs(2);

/// Prints an error to the standard error output.
pub(crate) fn print(error: &anyhow::Error) {
    let (text, (done, printed)) = (lines(error), mpsc::channel());
    std::thread::spawn(move || {
        eprintln!("{text}");
        let _ = done.send(());
    });
    let _ = printed.recv_timeout(PATIENCE);
}

/// The error and its causes. A cause whose text the line before it already holds is left out.
fn lines(error: &anyhow::Error) -> String {
    let mut lines: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if lines.last().is_some_and(|last| last.contains(&text)) {
            continue;
        }
        let mark = if lines.is_empty() { "error: " } else { "  because: " };
        lines.push(text.lines().map(|line| format!("{mark}{line}")).collect::<Vec<_>>().join("\n"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn every_cause_is_told_once() {
        let error = anyhow!("no route").context("connect: no route").context("cannot start");
        assert_eq!(lines(&error), "error: cannot start\n  because: connect: no route");
        assert_eq!(lines(&anyhow!("A is wrong\nB is wrong")), "error: A is wrong\nerror: B is wrong");
    }
}
