//! Filters of lists: each is one parameter, its place in the document, and the condition it stands for (R13
//! to R17).

mod common;
mod date;
pub(crate) mod expression;
mod references;

use std::sync::Arc;

use entities::Visible;
use sea_orm::sea_query::{Expr, ExprTrait, Func, SelectStatement};
use sea_orm::{QuerySelect, QueryTrait, Select};
use utoipa::openapi::path::Parameter;
use utoipa::openapi::schema::ObjectBuilder;

pub(crate) use common::names_of;
pub use common::{boolean, choice, dates, integers, label_select, names, number, texts, types};
pub use date::parse_date;
pub use references::{ids, reference, referring, referring_any, version};

use crate::reader::Reader;
use crate::{Error, Result, schema};

type Apply = Arc<dyn Fn(&str, &Reader<'_>) -> Result<Matched> + Send + Sync>;

/// One filter.
#[derive(Clone)]
pub struct Filter {
    /// Its parameter, as documented.
    pub parameter: Parameter,
    apply: Apply,
    /// Whether a value without any letter filters, too.
    with_nothing: bool,
}

/// What a value of a filter stands for.
#[derive(Clone, Debug)]
pub struct Matched {
    /// Which rows match.
    pub condition: Expr,
    /// Rows that have to exist for the question to make sense (R16).
    pub needs: Vec<Need>,
}

/// A row that a filter refers to.
#[derive(Clone, Debug)]
pub struct Need {
    /// The parameter that refers to it.
    pub parameter: String,
    /// Finds it among the rows that the request may see.
    pub exists: SelectStatement,
}

impl Need {
    /// One of these rows, which come from the scope of the request.
    pub fn one_of<E: Visible>(parameter: &str, rows: Select<E>) -> Need {
        let exists = rows.select_only().expr_as(Expr::val(1), "found").limit(1).into_query();
        Need { parameter: parameter.to_owned(), exists }
    }
}

impl From<Expr> for Matched {
    fn from(condition: Expr) -> Matched {
        Matched { condition, needs: Vec::new() }
    }
}

impl Matched {
    /// Both.
    #[must_use]
    pub fn and(self, other: Matched) -> Matched {
        self.joined(other, Expr::and)
    }

    /// One of both.
    #[must_use]
    pub fn or(self, other: Matched) -> Matched {
        self.joined(other, Expr::or)
    }

    /// Not this: what is unknown is not so either.
    #[must_use]
    pub fn negated(self) -> Matched {
        let known = Expr::from(Func::coalesce([self.condition, Expr::val(false)]));
        Matched { condition: known.not(), needs: self.needs }
    }

    fn joined(mut self, other: Matched, by: fn(Expr, Expr) -> Expr) -> Matched {
        self.needs.extend(other.needs);
        Matched { condition: by(self.condition, other.condition), needs: self.needs }
    }
}

impl Filter {
    /// A filter of one value, documented with this schema.
    pub fn new<M: Into<Matched>>(
        name: impl Into<String>,
        schema: ObjectBuilder,
        description: &str,
        apply: impl Fn(&str, &Reader<'_>) -> Result<M> + Send + Sync + 'static,
    ) -> Filter {
        let apply: Apply = Arc::new(move |value, reader| Ok(apply(value, reader)?.into()));
        Filter { parameter: schema::query(name, schema, description), apply, with_nothing: false }
    }

    /// A filter of several values, separated by commas.
    pub fn list<M: Into<Matched>>(
        name: impl Into<String>,
        items: ObjectBuilder,
        description: &str,
        apply: impl Fn(Vec<&str>, &Reader<'_>) -> Result<M> + Send + Sync + 'static,
    ) -> Filter {
        let apply: Apply = Arc::new(move |text, reader| {
            let values = text.split(',').map(str::trim).filter(|value| !value.is_empty());
            Ok(apply(values.collect(), reader)?.into())
        });
        Filter { parameter: schema::query_list(name, items, description), apply, with_nothing: false }
    }

    /// Says that a value without any letter filters, too. Otherwise it is as if the parameter were not there.
    #[must_use]
    pub fn with_nothing(self) -> Filter {
        Filter { with_nothing: true, ..self }
    }

    /// The opposite of [`Filter::with_nothing`].
    #[must_use]
    pub fn without_nothing(self) -> Filter {
        Filter { with_nothing: false, ..self }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.parameter.name
    }

    /// Which rows have this value. White space around it does not count, as in the fields of requests.
    ///
    /// # Errors
    /// If it is no value of this filter.
    pub fn apply(&self, value: &str, reader: &Reader<'_>) -> Result<Matched> {
        if value.contains('\0') {
            return Err(Error::field(self.name(), "Null characters are not allowed."));
        }
        match value.trim() {
            "" if !self.with_nothing => Ok(Expr::val(true).into()),
            value => (self.apply)(value, reader),
        }
    }
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Filter({})", self.parameter.name)
    }
}

/// A reference in a query that cannot be followed (R16).
pub(crate) fn bad_reference(parameter: &str) -> Error {
    Error::field(parameter, "URI not valid")
}

/// The name of a filter: `name`, or `name__lookup`.
fn with(name: &str, lookup: &str) -> String {
    if lookup.is_empty() { name.to_owned() } else { format!("{name}__{lookup}") }
}

/// Takes their meaning from the wildcards of LIKE.
pub(crate) fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

#[cfg(test)]
mod tests;
