//! `pulpcore queue info`: queues, workers, the leader and the numbers of tasks, once or repeatedly.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::Context;
use entities::{Settings, db};
use tasking::inspect::{Inspector, LeaderView, Overview, QueueView, Span, WorkerState, WorkerView};

use crate::arguments::QueueInfo;
use crate::table::{self, Cell, Column, number, text};

/// Time limit of the connection to Postgres.
const CONNECT: Duration = Duration::from_secs(5);

const RED: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
const GREEN: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));
const YELLOW: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)));

/// Prints it once, or repeatedly until it is interrupted. Fails at once if Postgres does not answer.
pub(crate) async fn run(settings: Arc<Settings>, options: QueueInfo) -> anyhow::Result<ExitCode> {
    let mut inspector = None;
    loop {
        let overview = look(&settings, &mut inspector).await;
        let shown = match (&overview, options.json, options.watch) {
            (Ok(overview), true, None) => serde_json::to_string_pretty(overview)?,
            (Ok(overview), true, Some(_)) => serde_json::to_string(overview)?,
            (Ok(overview), false, _) => render(overview),
            (Err(error), ..) => format!("Postgres  {RED}does not answer{RED:#}: {error:#}"),
        };
        let Some(seconds) = options.watch else {
            overview?;
            super::print_styled(&shown)?;
            return Ok(ExitCode::SUCCESS);
        };
        if std::io::stdout().is_terminal() && !options.json {
            // To the upper left corner; what is below is cleared.
            super::print_styled(&format!("\x1b[H\x1b[2J{shown}"))?;
        } else {
            super::print_styled(&shown)?;
        }
        std::io::stdout().flush().context("cannot print the output")?;
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs_f64(seconds)) => {}
            _ = tokio::signal::ctrl_c() => return Ok(ExitCode::SUCCESS),
        }
    }
}

async fn look(settings: &Arc<Settings>, inspector: &mut Option<Inspector>) -> anyhow::Result<Overview> {
    let inspector = match inspector {
        Some(inspector) => inspector,
        None => {
            let connected = tokio::time::timeout(CONNECT, db::connect(settings, "pulpcore queue info")).await;
            let db = connected
                .context("no answer in time")
                .and_then(|connected| Ok(connected?))
                .context("Postgres does not answer (is it running? check DATABASES)")?;
            inspector.insert(Inspector::new(settings.clone(), db)?)
        }
    };
    inspector.overview().await
}

/// At most 100 characters wide.
fn render(overview: &Overview) -> String {
    let mut lines = vec![format!("Postgres  {GREEN}answers{GREEN:#}")];
    if let Some(redis) = &overview.redis {
        lines.push(match &redis.error {
            None => format!("Redis     {GREEN}answers{GREEN:#}"),
            Some(error) => format!("Redis     {RED}{}{RED:#}", table::cut(error, 90)),
        });
    }
    if let Some(leader) = &overview.leader {
        let answers = overview.redis.as_ref().is_some_and(|redis| redis.error.is_none());
        lines.push(format!("Leader    {}", leader_line(leader, answers)));
    }
    let tasks: Vec<String> = ["waiting", "running", "canceling"]
        .iter()
        .map(|state| format!("{} {state}", overview.tasks.get(*state).copied().unwrap_or_default()))
        .collect();
    lines.push(format!("Tasks     {}", tasks.join(", ")));
    if let Some(queue) = overview.redis.as_ref().and_then(|redis| redis.resource_manager) {
        const COLUMNS: [Column; 4] =
            [text("QUEUE", 40), number("WAITING", 9), number("CLAIMED", 9), number("DEFERRED", 9)];
        let row = [vec![
            Cell::from("resource-manager"),
            queue.depth.into(),
            queue.processing.into(),
            deferred(queue),
        ]];
        lines.push(String::new());
        lines.extend(table::lines(&COLUMNS, &row));
    }
    lines.push(String::new());
    lines.extend(workers(&overview.workers));
    lines.join("\n")
}

fn leader_line(leader: &LeaderView, redis_answers: bool) -> String {
    let mut parts = Vec::new();
    match &leader.lease {
        Some(lease) => {
            parts.push(lease.label.clone());
            parts.push(match lease.remaining {
                Some(seconds) => format!("lease {}", Span(seconds)),
                None => format!("{RED}lease without expiry{RED:#}"),
            });
            if lease.holder != leader.process {
                parts.push(format!("{YELLOW}not the leader according to the database{YELLOW:#}"));
            }
        }
        None if redis_answers => parts.push(format!("{RED}none{RED:#}, the lease is free")),
        None if leader.alive => parts.push("alive according to the database".to_owned()),
        None => parts.push(format!("{RED}none{RED:#} according to the database")),
    }
    parts.push(format!("epoch {} for {}", leader.epoch, Span(leader.since)));
    parts.extend(leader.heartbeat_age.map(|age| format!("heartbeat {} ago", Span(age))));
    parts.join(", ")
}

fn workers(workers: &[WorkerView]) -> Vec<String> {
    const COLUMNS: [Column; 8] = [
        text("WORKER", 22),
        text("STATE", 8),
        number("HEARTBEAT", 9),
        number("QUEUE", 5),
        number("CLAIMED", 7),
        number("DEFERRED", 8),
        number("FOR", 8),
        text("TASK", 36),
    ];
    if workers.is_empty() {
        return vec![format!("{RED}No worker is alive.{RED:#}")];
    }
    let rows: Vec<Vec<Cell>> = workers
        .iter()
        .map(|worker| {
            let style = match worker.state {
                WorkerState::Idle => Style::new(),
                WorkerState::Busy => GREEN,
                WorkerState::Silent => YELLOW,
                WorkerState::GivenUp => RED,
            };
            let length =
                |of: fn(QueueView) -> u64| worker.queue.map_or("-".to_owned(), |queue| of(queue).to_string());
            vec![
                Cell::from(&worker.name),
                Cell::styled(worker.state.as_str(), style),
                Span(worker.heartbeat_age).into(),
                length(|queue| queue.depth).into(),
                length(|queue| queue.processing).into(),
                worker.queue.map_or("-".into(), deferred),
                worker.task.as_ref().map_or(String::new(), |task| Span(task.seconds).to_string()).into(),
                worker.task.as_ref().map_or(String::new(), |task| task.id.to_string()).into(),
            ]
        })
        .collect();
    let mut lines = table::lines(&COLUMNS, &rows).into_iter();
    let mut out: Vec<String> = lines.next().into_iter().collect();
    for (line, worker) in lines.zip(workers) {
        out.push(line);
        if let Some(task) = &worker.task {
            let told = if task.canceling { ", cancellation requested" } else { "" };
            out.push(table::cut(&format!("    runs {}{told}", task.name), 100));
        }
    }
    out
}

fn deferred(queue: QueueView) -> Cell {
    let style = if queue.rejected > 0 { RED } else { Style::new() };
    Cell::styled(queue.rejected, style)
}
