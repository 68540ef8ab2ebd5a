//! Log lines, to the standard error output: text for people, JSON for machines.
//!
//! Both carry the time and the correlation id (R33), which is the field `cid` of a span around the event;
//! those of a task carry its name and id, which are the fields `name` and `task` of its span.

mod output;

use std::fmt;

use anyhow::Context as _;
use entities::Settings;
use entities::settings::LogFormat;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Modules that are too verbose at level INFO; `LOG_LEVEL` can override them.
const QUIET: &str = "sqlx=warn,sea_orm_migration=warn";

/// Starts logging, until the guard is dropped, which writes what was not written yet.
///
/// # Errors
/// If `LOG_LEVEL` cannot be parsed.
pub(crate) fn start(settings: &Settings) -> anyhow::Result<WorkerGuard> {
    let filter = EnvFilter::try_new(format!("{QUIET},{}", settings.log_level)).with_context(|| {
        format!("LOG_LEVEL is not a filter (write `info`, or `info,tasking=debug`): {}", settings.log_level)
    })?;
    let (writer, guard) = output::open(settings.log_format)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).event_format(Lines(settings.log_format));
    tracing_subscriber::registry().with(filter).with(Correlation).with(lines).try_init()?;
    std::panic::set_hook(Box::new(report_panic));
    Ok(guard)
}

/// Logs a panic in one line, with its place. The library's own report would wait for the reader of the log.
fn report_panic(info: &std::panic::PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let message = info.payload_as_str().unwrap_or("no message");
    tracing::error!(place, "panicked: {message}");
}

/// Remembers the correlation id of spans, and their task.
struct Correlation;

/// What [`Correlation`] remembers of the span of a task.
#[derive(Clone)]
struct OfTask {
    id: String,
    name: String,
}

/// What [`Correlation`] remembers.
struct Cid(String);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Correlation {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        remember(fields, id, &context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        remember(fields, id, &context);
    }
}

fn remember<S: Subscriber + for<'a> LookupSpan<'a>>(mut fields: Fields, id: &Id, context: &Context<'_, S>) {
    if let (Some(cid), Some(span)) = (fields.take("cid"), context.span(id)) {
        let mut extensions = span.extensions_mut();
        extensions.replace(Cid(plain(&cid)));
        if let (Some(task), Some(name)) = (fields.take("task"), fields.take("name")) {
            extensions.replace(OfTask { id: plain(&task), name: plain(&name) });
        }
    }
}

/// One line per event.
struct Lines(LogFormat);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let cid = context
            .event_scope()
            .into_iter()
            .flatten()
            .find_map(|span| span.extensions().get::<Cid>().map(|cid| cid.0.clone()));
        let task = context
            .event_scope()
            .into_iter()
            .flatten()
            .find_map(|span| span.extensions().get::<OfTask>().cloned());
        if let Some(OfTask { id, name }) = task {
            fields.add("task", id);
            fields.add("name", name);
        }
        // An event may carry the id itself, outside any span.
        let own = fields.take("cid").map(|cid| plain(&cid));
        let cid = cid.or(own);
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        let time = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        match self.0 {
            LogFormat::Text => {
                let cid = cid.as_deref().unwrap_or("None");
                writeln!(out, "{time} pulp [{cid}]: {target}:{level}: {}", fields.text())
            }
            LogFormat::Json => {
                let head = json!({"time": time, "level": level.as_str(), "target": target, "cid": cid});
                writeln!(out, "{}", fields.json(head))
            }
        }
    }
}

/// The fields of an event or a span.
#[derive(Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn take(&mut self, name: &str) -> Option<Value> {
        let index = self.0.iter().position(|(found, _)| *found == name)?;
        Some(self.0.remove(index).1)
    }

    /// Adds a field, unless it is there.
    fn add(&mut self, name: &'static str, value: String) {
        if !self.0.iter().any(|(found, _)| *found == name) {
            self.0.push((name, value.into()));
        }
    }

    /// The message and then the other fields. A line stays one line.
    fn text(self) -> String {
        let (message, others): (Vec<_>, Vec<_>) =
            self.0.into_iter().partition(|(name, _)| *name == "message");
        let mut words: Vec<String> = message.iter().map(|(_, message)| plain(message)).collect();
        words.extend(others.iter().map(|(name, value)| match value {
            Value::String(text) if text.is_empty() || text.contains([' ', '"', '=']) => {
                format!("{name}={text:?}")
            }
            value => format!("{name}={}", plain(value)),
        }));
        words.join(" ").replace('\n', "\\n").replace('\r', "\\r")
    }

    fn json(self, head: Value) -> Value {
        let mut line = head.as_object().cloned().unwrap_or_else(Map::new);
        for (name, value) in self.0 {
            line.entry(name).or_insert(value);
        }
        line.into()
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push((field.name(), format!("{value:?}").into()));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.into()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.push((field.name(), value.into()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.push((field.name(), value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.push((field.name(), value.into()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.push((field.name(), value.into()));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            let next = error.to_string();
            if !text.contains(&next) {
                text = format!("{text}: {next}");
            }
            cause = error.source();
        }
        self.0.push((field.name(), text.into()));
    }
}
