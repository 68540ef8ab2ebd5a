//! The cases of growth as a picture.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use entities::settings::WorkerStyle;

use crate::growth::Case;
use crate::options;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 260.0;

/// Around a panel: for the figures of the axis, and for titles and the legend.
const LEFT: f64 = 56.0;
const TOP: f64 = 44.0;
const BELOW: f64 = 96.0;

/// More times the smallest size a task must not cost.
const LIMIT: f64 = 1.5;

/// Readable on white and on black, as is the grey of all text.
const COLOURS: [&str; 5] = ["#2f81f7", "#db6d28", "#2da44e", "#a371f7", "#d4a72c"];
const GREY: &str = "#7d8590";

/// Writes it where `PLOT` says.
pub(crate) fn write(cases: &[Case]) -> anyhow::Result<()> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/tasking/growth.svg");
    let path = std::env::var_os("PLOT").map_or(default, PathBuf::from);
    std::fs::write(&path, draw(cases))?;
    println!("drawn: {}", path.display());
    Ok(())
}

/// A panel for each style, a line for each number of idle workers, dashed with a transaction held.
fn draw(cases: &[Case]) -> String {
    let mut styles: Vec<WorkerStyle> = cases.iter().map(|case| case.style).collect();
    styles.dedup();
    let top = cases.iter().map(|case| case.ratio()).fold(LIMIT, f64::max) * 1.15;
    let width = (LEFT + WIDTH) * styles.len() as f64 + 24.0;
    let height = TOP + HEIGHT + BELOW;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\" fill=\"{GREY}\">\n"
    );
    for (number, style) in styles.iter().enumerate() {
        let cases: Vec<&Case> = cases.iter().filter(|case| case.style == *style).collect();
        let left = LEFT + (LEFT + WIDTH) * number as f64;
        let _ = writeln!(svg, "<g transform=\"translate({left} {TOP})\">");
        panel(&mut svg, options::title(*style), &cases, top);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, title: &str, cases: &[&Case], top: f64) {
    let sorted = |value: fn(&Case) -> usize| {
        let mut values: Vec<usize> = cases.iter().map(|case| value(case)).collect();
        values.sort_unstable();
        values.dedup();
        values
    };
    let (unfinished, idle) = (sorted(|case| case.unfinished), sorted(|case| case.idle));
    let y = |ratio: f64| HEIGHT * (1.0 - ratio / top);
    let x = |count: usize| {
        let place = unfinished.iter().position(|one| *one == count).unwrap_or_default();
        WIDTH * (place as f64 + 0.5) / unfinished.len() as f64
    };
    text(svg, 0.0, -26.0, "start", &format!("CPU per task {title}, beside the smallest size"));
    let step = step(top);
    for tick in 0..=(top / step) as usize {
        let ratio = step * tick as f64;
        line(svg, &[(0.0, y(ratio)), (WIDTH, y(ratio))], GREY, "stroke-opacity=\"0.3\"");
        text(svg, -8.0, y(ratio) + 4.0, "end", &format!("{}", (ratio * 100.0).round() / 100.0));
    }
    for count in &unfinished {
        text(svg, x(*count), HEIGHT + 18.0, "middle", &with_commas(*count));
    }
    text(svg, WIDTH / 2.0, HEIGHT + 36.0, "middle", "unfinished tasks");
    line(svg, &[(0.0, y(LIMIT)), (WIDTH, y(LIMIT))], GREY, "stroke-dasharray=\"1 4\"");
    text(svg, WIDTH, y(LIMIT) - 5.0, "end", "1.5 times the smallest size");
    for (number, idle) in idle.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        for (held, how) in
            [(false, "stroke-width=\"2\""), (true, "stroke-width=\"2\" stroke-dasharray=\"6 4\"")]
        {
            let chosen = cases.iter().filter(|case| case.idle == *idle && case.held == held);
            let points: Vec<(f64, f64)> = chosen.map(|case| (x(case.unfinished), y(case.ratio()))).collect();
            line(svg, &points, colour, how);
            for (x, y) in points {
                let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
            }
        }
    }
    legend(svg, &idle);
}

/// Which line is which.
fn legend(svg: &mut String, idle: &[usize]) {
    let row = HEIGHT + 60.0;
    let column = WIDTH / idle.len().max(1) as f64;
    for (number, idle) in idle.iter().enumerate() {
        let from = column * number as f64;
        line(
            svg,
            &[(from, row - 4.0), (from + 22.0, row - 4.0)],
            COLOURS[number % COLOURS.len()],
            "stroke-width=\"2\"",
        );
        text(svg, from + 28.0, row, "start", &format!("{} idle workers", with_commas(*idle)));
    }
    let row = row + 20.0;
    line(svg, &[(0.0, row - 4.0), (22.0, row - 4.0)], GREY, "stroke-width=\"2\" stroke-dasharray=\"6 4\"");
    text(svg, 28.0, row, "start", "dashed: while a transaction is held open");
}

fn line(svg: &mut String, points: &[(f64, f64)], colour: &str, how: &str) {
    let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let points = points.join(" ");
    let _ = writeln!(svg, "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" {how}/>");
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>");
}

/// Between the lines of an axis: 1, 2 or 5 times a power of ten.
fn step(top: f64) -> f64 {
    let rough = (top / 5.0).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * power).find(|step| *step >= rough).unwrap_or(rough)
}

fn with_commas(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}
