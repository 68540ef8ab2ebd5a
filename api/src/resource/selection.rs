//! Which fields a request wants to see: `fields`, `exclude_fields`, `minimal` (R11, R12).

use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use crate::query::Query;
use crate::{Error, Response, Result, response};

/// The fields that a query asks for.
#[derive(Clone, Debug)]
pub(super) struct Selection<'a> {
    wanted: Vec<&'a str>,
    unwanted: Vec<&'a str>,
    short: &'static [&'static str],
}

impl<'a> Selection<'a> {
    /// What `query` asks for; `minimal` are the fields of the short form, all if there are none.
    pub(super) fn of(query: &'a Query, minimal: &'static [&'static str]) -> Selection<'a> {
        let is_short = query.get("minimal").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        Selection {
            wanted: query.list("fields"),
            unwanted: query.list("exclude_fields"),
            short: if is_short { minimal } else { &[] },
        }
    }

    fn is_everything(&self) -> bool {
        self.wanted.is_empty() && self.unwanted.is_empty() && self.short.is_empty()
    }

    fn keeps(&self, name: &str) -> bool {
        (self.wanted.is_empty() || self.wanted.contains(&name))
            && !self.unwanted.contains(&name)
            && (self.short.is_empty() || self.short.contains(&name))
    }

    fn reduce(&self, object: &mut Value) {
        if let Value::Object(fields) = object {
            fields.retain(|name, _| self.keeps(name));
        }
    }

    /// An answer with one object.
    pub(super) fn answer(&self, status: StatusCode, body: &impl Serialize) -> Result<Response> {
        if self.is_everything() {
            return response::json(status, body);
        }
        let mut object = value(body)?;
        self.reduce(&mut object);
        response::json(status, &object)
    }

    /// An answer with a page of objects in its field `results`.
    pub(super) fn answer_page(&self, page: &impl Serialize) -> Result<Response> {
        if self.is_everything() {
            return response::json(StatusCode::OK, page);
        }
        let mut page = value(page)?;
        for object in page["results"].as_array_mut().into_iter().flatten() {
            self.reduce(object);
        }
        response::json(StatusCode::OK, &page)
    }
}

fn value(body: &impl Serialize) -> Result<Value> {
    serde_json::to_value(body).map_err(|error| Error::Internal(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(query: &str) -> Value {
        let query = Query::parse(query);
        let selection = Selection::of(&query, &["a", "b"]);
        let object = serde_json::json!({"a": 1, "b": 2, "c": 3});
        let answer = selection.answer(StatusCode::OK, &object).unwrap();
        serde_json::from_slice(answer.body()).unwrap()
    }

    #[test]
    fn fields_are_chosen_left_out_and_shortened() {
        assert_eq!(shown(""), serde_json::json!({"a": 1, "b": 2, "c": 3}));
        assert_eq!(shown("fields=c,x&fields=a"), serde_json::json!({"a": 1, "c": 3}));
        assert_eq!(shown("exclude_fields=a"), serde_json::json!({"b": 2, "c": 3}));
        assert_eq!(shown("minimal=True&exclude_fields=b"), serde_json::json!({"a": 1}));
    }
}
