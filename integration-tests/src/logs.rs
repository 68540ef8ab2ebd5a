//! What a failed test shows of the processes.

use std::path::Path;

/// Lines shown of each log.
const LINES: usize = 40;

/// Prints the end of every log in a directory.
pub(crate) fn show(directory: &Path) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "log") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        eprintln!("--- the end of {}", entry.file_name().to_string_lossy());
        for line in &lines[lines.len().saturating_sub(LINES)..] {
            eprintln!("{line}");
        }
    }
}
