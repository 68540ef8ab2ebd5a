//! Tables for terminals: columns as wide as what is in them, and no wider than they may be.

use anstyle::Style;

/// A column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// Its heading.
    pub(crate) title: &'static str,
    /// Characters at most; what is longer is cut.
    pub(crate) most: usize,
    /// Whether it holds numbers, which stand to the right.
    pub(crate) numbers: bool,
}

/// A column of text.
pub(crate) const fn text(title: &'static str, most: usize) -> Column {
    Column { title, most, numbers: false }
}

/// A column of numbers.
pub(crate) const fn number(title: &'static str, most: usize) -> Column {
    Column { title, most, numbers: true }
}

/// What is in a row.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// Text in a colour.
    pub(crate) fn styled(text: impl ToString, style: Style) -> Cell {
        Cell { text: text.to_string(), style }
    }
}

impl<T: ToString> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell::styled(text, Style::new())
    }
}

/// The lines of a table, a heading first.
pub(crate) fn lines(columns: &[Column], rows: &[Vec<Cell>]) -> Vec<String> {
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(number, column)| {
            let cells = rows.iter().filter_map(|row| row.get(number)).map(|cell| cell.text.chars().count());
            cells.max().unwrap_or(0).min(column.most).max(column.title.chars().count())
        })
        .collect();
    let bold = Style::new().bold();
    let headings: Vec<Cell> = columns.iter().map(|column| Cell::styled(column.title, bold)).collect();
    std::iter::once(&headings).chain(rows).map(|row| line(columns, &widths, row)).collect()
}

fn line(columns: &[Column], widths: &[usize], row: &[Cell]) -> String {
    let mut line = String::new();
    for ((column, width), Cell { text, style }) in columns.iter().zip(widths).zip(row) {
        if !line.is_empty() {
            line.push_str("  ");
        }
        let text = cut(text, *width);
        let space = " ".repeat(width.saturating_sub(text.chars().count()));
        match column.numbers {
            true => line.push_str(&format!("{space}{style}{text}{style:#}")),
            false => line.push_str(&format!("{style}{text}{style:#}{space}")),
        }
    }
    line.trim_end().to_owned()
}

/// The text, or its beginning and an ellipsis.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// The text in lines of at most `width` characters, broken at spaces. A longer word has a line of its own.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_needed_and_allowed() {
        let columns = [text("NAME", 6), number("N", 5)];
        let rows = [vec!["a".into(), 12.into()], vec!["much too long".into(), 3.into()]];
        let plain: Vec<String> = lines(&columns, &rows)
            .iter()
            .map(|line| anstream::adapter::strip_str(line).to_string())
            .collect();
        assert_eq!(plain, ["NAME     N", "a       12", "much …   3"]);
    }

    #[test]
    fn text_is_broken_at_spaces() {
        assert_eq!(wrap("one two three  four", 9), ["one two", "three", "four"]);
        assert_eq!(wrap("unbreakable it is", 4), ["unbreakable", "it", "is"]);
    }
}
