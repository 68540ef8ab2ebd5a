//! `purge`: deletes tasks that ended long ago, in a task (P31).

use chrono::{Duration, Utc};
use entities::kind;
use entities::task::TaskState;
use http::Method;
use serde_json::json;
use tasking::tasks::purge::{Before, Purge};

use crate::endpoint::Media;
use crate::field::{Field, Mode, Texts, Time, Values, request_component};
use crate::permission::Permission;
use crate::{Endpoint, Error, Request, Response, Result, filter};

/// How old tasks have to be for a purge that does not say so.
const AGE: Duration = Duration::days(30);

pub(super) fn endpoint() -> Endpoint {
    let permission = Permission::Named(kind::TASK.permission("delete"));
    Endpoint::new(Method::POST, "tasks/purge/", "tasks_purge", "Tasks", permission, purge)
        .summary("Delete tasks that ended long ago")
        .body(Media::Fields, request_component("Purge", &fields(), Mode::Whole))
        .answer_task()
}

fn fields() -> [Field; 2] {
    [Field::argument("finished_before", Time), Field::argument("states", Texts).default(json!(["completed"]))]
}

async fn purge(mut request: Request) -> Result<Response> {
    let form = request.fields().await?;
    let values = Values::read(&request.reader(), &fields(), &form, Mode::Whole).await?;
    let finished_before = match values.text("finished_before") {
        Some(text) => filter::parse_date("finished_before", text)?,
        None => Utc::now() - AGE,
    };
    let parse = |word: &str| {
        let found = TaskState::ALL.into_iter().find(|state| state.as_str() == word);
        found
            .filter(|state| state.is_final())
            .ok_or_else(|| Error::field("states", format!("\"{word}\" is not a valid choice.")))
    };
    let states = values.texts("states").into_iter().map(parse).collect::<Result<_>>()?;
    request.dispatch(&Purge { finished_before: Before::Time(finished_before), states }).await
}
