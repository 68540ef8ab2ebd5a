//! `pulpcore tasks doctor`: why tasks are not done, what is wrong, and the repair of what can be repaired
//! safely.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use entities::Settings;
use serde_json::json;
use tasking::inspect::{Diagnosis, Finding, Inspector, Span, TaskView};

use crate::arguments::TasksDoctor;
use crate::plugins::Plugins;
use crate::{database, table};

/// How wide the report is.
const WIDTH: usize = 100;

/// How long the effects of a repair are waited for.
const PATIENCE: Duration = Duration::from_secs(15);

/// The exit status if problems remain.
const FINDINGS: u8 = 1;

const RED: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
const GREEN: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));
const BOLD: Style = Style::new().bold();

/// Examines, repairs if asked to, and says by the exit status whether problems remain.
pub(crate) async fn run(
    settings: Arc<Settings>,
    plugins: Plugins,
    options: TasksDoctor,
) -> anyhow::Result<ExitCode> {
    let db = database::open(&settings).await?;
    database::check_schema(&db, &plugins.migrator()).await?;
    let inspector = Inspector::new(settings, db)?;
    let mut diagnosis = inspector.diagnose(options.limit).await?;
    let mut repaired = Vec::new();
    if options.repair && diagnosis.findings.iter().any(|finding| finding.repair.is_some()) {
        let begun = Instant::now();
        loop {
            repaired.extend(repair(&inspector, &diagnosis).await);
            diagnosis = inspector.diagnose(options.limit).await?;
            let repairable = |finding: &Finding| finding.needs_action && finding.repair.is_some();
            if !diagnosis.findings.iter().any(repairable) || begun.elapsed() > PATIENCE {
                break;
            }
        }
    }
    if options.json {
        let mut document = serde_json::to_value(&diagnosis)?;
        document["repaired"] = json!(repaired);
        super::print(&serde_json::to_string_pretty(&document)?)?;
    } else {
        super::print_styled(&render(&diagnosis, &repaired))?;
    }
    Ok(if diagnosis.healthy { ExitCode::SUCCESS } else { ExitCode::from(FINDINGS) })
}

/// Repairs what can be repaired; what cannot is reported and remains a finding.
async fn repair(inspector: &Inspector, diagnosis: &Diagnosis) -> Vec<String> {
    let mut done = Vec::new();
    for repair in diagnosis.findings.iter().filter_map(|finding| finding.repair.as_ref()) {
        match inspector.repair(repair).await {
            Ok(lines) => done.extend(lines),
            Err(error) => done.push(format!("not repaired: {error:#}")),
        }
    }
    done
}

fn render(diagnosis: &Diagnosis, repaired: &[String]) -> String {
    let mut lines = Vec::new();
    for text in repaired {
        let text = format!("Repaired: {text}");
        lines.extend(table::wrap(&text, WIDTH));
    }
    if !repaired.is_empty() {
        lines.push(String::new());
    }
    match diagnosis.findings.iter().filter(|finding| finding.needs_action).count() {
        0 => lines.push(format!("{GREEN}No problems found.{GREEN:#}")),
        1 => lines.push(format!("{RED}One problem:{RED:#}")),
        count => lines.push(format!("{RED}{count} problems:{RED:#}")),
    }
    for finding in &diagnosis.findings {
        let mark = if finding.needs_action { "*" } else { "-" };
        let text = table::wrap(&finding.text, WIDTH - 4).join("\n    ");
        lines.push(format!("  {mark} {text}"));
        lines.extend(table::wrap(&finding.advice, WIDTH - 6).into_iter().map(|line| format!("      {line}")));
    }
    lines.push(String::new());
    let total: usize = diagnosis.totals.values().sum();
    if total == 0 {
        lines.push("No unfinished tasks.".to_owned());
        return lines.join("\n");
    }
    let counts: Vec<String> =
        diagnosis.totals.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let tasks = if total == 1 { "task is" } else { "tasks are" };
    lines.push(format!("{BOLD}{total} {tasks} unfinished:{BOLD:#} {}", counts.join(", ")));
    lines.extend(diagnosis.tasks.iter().flat_map(task));
    if total > diagnosis.tasks.len() {
        lines.push(format!("  and {} more (--limit shows more)", total - diagnosis.tasks.len()));
    }
    lines.join("\n")
}

fn task(task: &TaskView) -> Vec<String> {
    let mut lines = vec![format!("  {}  {}, {} old", task.id, task.name, Span(task.age))];
    lines.extend(table::wrap(&task.text, WIDTH - 6).into_iter().map(|line| format!("      {line}")));
    lines
}
