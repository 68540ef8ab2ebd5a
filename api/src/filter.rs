//! Filters of lists: each is one parameter, its place in the document, and the condition it adds (R13 to R17).

pub(crate) mod expression;

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use entities::Reference;
use sea_orm::Value;
use utoipa::openapi::Type;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::schema::ObjectBuilder;
use uuid::Uuid;

use crate::sql::{Conditions, Needed, bad_reference, number};
use crate::{Error, Result, labels, schema};

type Apply = Arc<dyn Fn(&str, &mut Conditions) -> Result<()> + Send + Sync>;

/// One filter.
#[derive(Clone)]
pub struct Filter {
    /// Its parameter, as documented.
    pub parameter: Parameter,
    apply: Apply,
}

impl Filter {
    /// A filter of one value, documented with this schema.
    pub fn new(
        name: impl Into<String>,
        schema: ObjectBuilder,
        description: &str,
        apply: impl Fn(&str, &mut Conditions) -> Result<()> + Send + Sync + 'static,
    ) -> Filter {
        Filter { parameter: schema::query(name, schema, description), apply: Arc::new(apply) }
    }

    /// A filter of several values, separated by commas.
    pub fn list(
        name: impl Into<String>,
        items: ObjectBuilder,
        description: &str,
        apply: impl Fn(Vec<&str>, &mut Conditions) -> Result<()> + Send + Sync + 'static,
    ) -> Filter {
        let apply = move |text: &str, conditions: &mut Conditions| {
            let values = text.split(',').map(str::trim).filter(|value| !value.is_empty());
            apply(values.collect(), conditions)
        };
        Filter { parameter: schema::query_list(name, items, description), apply: Arc::new(apply) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.parameter.name
    }

    /// Adds its condition.
    pub fn apply(&self, value: &str, conditions: &mut Conditions) -> Result<()> {
        if value.contains('\0') {
            return Err(Error::field(self.name(), "Null characters are not allowed."));
        }
        (self.apply)(value, conditions)
    }
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Filter({})", self.parameter.name)
    }
}

/// Ways to compare a text (R14).
const TEXT: [&str; 10] =
    ["", "contains", "icontains", "iexact", "in", "iregex", "istartswith", "regex", "startswith", "ne"];

/// All the filters of a name: exact, `in`, `contains`, `startswith`, their `i` forms, and regular expressions.
pub fn names(name: &str, expression: &str) -> Vec<Filter> {
    texts(name, expression, &TEXT[..9])
}

/// Some of the filters of a text; `""` is the exact one.
pub fn texts(name: &str, expression: &str, lookups: &[&'static str]) -> Vec<Filter> {
    lookups.iter().map(|lookup| text(name, expression, lookup)).collect()
}

fn text(name: &str, expression: &str, lookup: &'static str) -> Filter {
    let expression = expression.to_owned();
    let description = format!("Filter results where {name} {}", described(lookup));
    if lookup == "in" {
        return Filter::list(with(name, lookup), string(), &description, move |values, conditions| {
            let values: Vec<String> = values.into_iter().map(str::to_owned).collect();
            let bound = conditions.bind(values);
            conditions.push(format!("{expression} = ANY({bound})"));
            Ok(())
        });
    }
    Filter::new(with(name, lookup), string(), &description, move |value, conditions| {
        let pattern = match lookup {
            "contains" | "icontains" => format!("%{}%", escape(value)),
            "startswith" | "istartswith" => format!("{}%", escape(value)),
            _ => value.to_owned(),
        };
        let bound = conditions.bind(pattern);
        conditions.push(match lookup {
            "contains" | "startswith" => format!("{expression} LIKE {bound}"),
            "icontains" | "istartswith" => format!("{expression} ILIKE {bound}"),
            "iexact" => format!("lower({expression}) = lower({bound})"),
            "regex" => format!("{expression} ~ {bound}"),
            "iregex" => format!("{expression} ~* {bound}"),
            "ne" => format!("{expression} <> {bound}"),
            _ => format!("{expression} = {bound}"),
        });
        Ok(())
    })
}

/// The filters of a time (R15).
pub fn dates(name: &str, expression: &str) -> Vec<Filter> {
    let date = || schema::text(Some("date-time"));
    let mut filters = comparisons(name, expression, date, |name, text| Ok(parse_date(name, text)?.into()));
    filters.retain(|filter| filter.name() != with(name, "ne"));
    filters.push(is_null(name, expression));
    filters
}

/// The filters of a number, some of `""`, `ne`, `lt`, `lte`, `gt`, `gte`, `range`, `isnull`.
pub fn integers(name: &str, expression: &str, lookups: &[&str]) -> Vec<Filter> {
    let integer = || schema::simple(Type::Integer, None);
    let mut filters =
        comparisons(name, expression, integer, |name, text| Ok(number::<i64>(name, text)?.into()));
    filters.push(is_null(name, expression));
    filters.retain(|filter| lookups.iter().any(|lookup| filter.name() == with(name, lookup)));
    filters
}

fn comparisons(
    name: &str,
    expression: &str,
    schema: fn() -> ObjectBuilder,
    parse: fn(&str, &str) -> Result<Value>,
) -> Vec<Filter> {
    let operators = [("", "="), ("ne", "<>"), ("lt", "<"), ("lte", "<="), ("gt", ">"), ("gte", ">=")];
    let mut filters: Vec<Filter> = operators
        .into_iter()
        .map(|(lookup, operator)| {
            let (full, expression) = (with(name, lookup), expression.to_owned());
            let description = format!("Filter results where {name} {}", described(lookup));
            Filter::new(full.clone(), schema(), &description, move |value, conditions| {
                let bound = conditions.bind(parse(&full, value)?);
                conditions.push(format!("{expression} {operator} {bound}"));
                Ok(())
            })
        })
        .collect();
    let (full, expression) = (with(name, "range"), expression.to_owned());
    let description = format!("Filter results where {name} is between two comma separated values");
    filters.push(Filter::list(full.clone(), schema(), &description, move |values, conditions| {
        let [low, high] = values.as_slice() else {
            return Err(Error::field(full.as_str(), "Range query expects two values."));
        };
        let (low, high) = (parse(&full, low)?, parse(&full, high)?);
        let (low, high) = (conditions.bind(low), conditions.bind(high));
        conditions.push(format!("{expression} BETWEEN {low} AND {high}"));
        Ok(())
    }));
    filters
}

fn is_null(name: &str, expression: &str) -> Filter {
    boolean_with(with(name, "isnull"), &format!("({expression} IS NULL)"))
}

/// The filter of a yes or no.
pub fn boolean(name: &str, expression: &str) -> Filter {
    boolean_with(name.to_owned(), expression)
}

fn boolean_with(name: String, expression: &str) -> Filter {
    let expression = expression.to_owned();
    let full = name.clone();
    Filter::new(name, schema::simple(Type::Boolean, None), "", move |value, conditions| {
        let wanted = match value.to_ascii_lowercase().as_str() {
            "true" | "1" | "t" | "yes" => true,
            "false" | "0" | "f" | "no" => false,
            _ => return Err(Error::field(full.as_str(), "Must be a valid boolean.")),
        };
        conditions.push(if wanted { expression.clone() } else { format!("NOT {expression}") });
        Ok(())
    })
}

/// The filter of labels (R21).
pub fn label_select(expression: &'static str) -> Filter {
    Filter::new("pulp_label_select", string(), "Filter labels by search string", move |value, conditions| {
        for term in labels::parse(value)? {
            term.apply(expression, conditions);
        }
        Ok(())
    })
}

/// `pulp_href__in`, `pulp_id__in` and `prn__in` on the id of the listed rows of a table (R17).
pub fn ids(table: &'static str, expression: &'static str) -> Vec<Filter> {
    let references = move |name: &'static str| {
        Filter::list(
            name,
            string(),
            "Multiple values may be separated by commas.",
            move |values, conditions| {
                let parse = |value: &str| match Reference::parse(value) {
                    Some(Reference::Object { kind, id }) if kind.table == table => Ok(id),
                    _ => Err(bad_reference(name)),
                };
                let ids: Vec<Uuid> = values.into_iter().map(parse).collect::<Result<_>>()?;
                let bound = conditions.bind(ids);
                conditions.push(format!("{expression} = ANY({bound})"));
                Ok(())
            },
        )
    };
    let id = Filter::list(
        "pulp_id__in",
        schema::text(Some("uuid")),
        "Multiple values may be separated by commas.",
        move |values, conditions| {
            let parse = |value: &str| {
                value.parse::<Uuid>().map_err(|_| Error::field("pulp_id__in", "Enter a valid UUID."))
            };
            let ids: Vec<Uuid> = values.into_iter().map(parse).collect::<Result<_>>()?;
            let bound = conditions.bind(ids);
            conditions.push(format!("{expression} = ANY({bound})"));
            Ok(())
        },
    );
    vec![references("pulp_href__in"), id, references("prn__in")]
}

/// The filter of a relation, by href or PRN; `null` for none (R16). `{}` in the condition stands for the id.
pub fn reference(name: &'static str, table: &'static str, column: &'static str) -> Filter {
    referring(name, table, format!("{column} = {{}}"), Some(format!("{column} IS NULL")))
}

/// The filter of a row of another table. `{}` in the condition stands for its id, as often as it occurs.
pub fn referring(name: &'static str, table: &'static str, condition: String, none: Option<String>) -> Filter {
    Filter::new(name, string(), "", move |value, conditions| {
        if let ("null", Some(none)) = (value, &none) {
            conditions.push(none.clone());
            return Ok(());
        }
        match Reference::parse(value) {
            Some(Reference::Object { kind, id }) if kind.table == table => {
                conditions.needed.push(Needed { parameter: name.into(), table, id, version: None });
                let bound = conditions.bind(id);
                conditions.push(condition.replace("{}", &bound));
                Ok(())
            }
            _ => Err(bad_reference(name)),
        }
    })
}

/// The filter of several rows of another table. `{}` in the condition stands for the list of their ids.
pub fn referring_any(name: &'static str, table: &'static str, condition: String) -> Filter {
    Filter::list(name, string(), "Multiple values may be separated by commas.", move |values, conditions| {
        let parse = |value: &str| match Reference::parse(value) {
            Some(Reference::Object { kind, id }) if kind.table == table => Ok(id),
            _ => Err(bad_reference(name)),
        };
        let ids: Vec<Uuid> = values.into_iter().map(parse).collect::<Result<_>>()?;
        let bound = conditions.bind(ids);
        conditions.push(condition.replace("{}", &bound));
        Ok(())
    })
}

/// The filter of a repository version. `{r}` and `{n}` in the condition stand for its repository and number.
pub fn version(name: &'static str, condition: String) -> Filter {
    Filter::new(name, string(), "Repository Version referenced by HREF/PRN", move |value, conditions| {
        let (repository, number) = match Reference::parse(value) {
            Some(Reference::Version { repository, number, .. }) => {
                let version = Some(number);
                conditions.needed.push(Needed {
                    parameter: name.into(),
                    table: "repository_version",
                    id: repository,
                    version,
                });
                (conditions.bind(repository), conditions.bind(number))
            }
            Some(Reference::Object { kind, id }) if kind.table == "repository_version" => {
                conditions.needed.push(Needed {
                    parameter: name.into(),
                    table: kind.table,
                    id,
                    version: None,
                });
                let id = conditions.bind(id);
                let part = |column| format!("(SELECT {column} FROM repository_version WHERE pulp_id = {id})");
                (part("repository_id"), part("number"))
            }
            _ => return Err(bad_reference(name)),
        };
        conditions.push(condition.replace("{r}", &repository).replace("{n}", &number));
        Ok(())
    })
}

/// The filters of `pulp_type` on lists over all types (R18).
pub fn types(expression: &str) -> Vec<Filter> {
    texts("pulp_type", expression, &["", "in"])
}

/// Reads a time; one without a zone is UTC.
pub fn parse_date(name: &str, text: &str) -> Result<DateTime<Utc>> {
    // A plus sign that was not escaped arrives as a space.
    let text = text.trim();
    let zoned = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)))
        .or_else(|_| DateTime::parse_from_rfc3339(&text.replace(' ', "+")));
    if let Ok(date) = zoned {
        return Ok(date.to_utc());
    }
    let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let naive = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    match naive.or_else(day) {
        Some(date) => Ok(date.and_utc()),
        None => Err(Error::field(name, "Enter a valid date/time.")),
    }
}

fn with(name: &str, lookup: &str) -> String {
    if lookup.is_empty() { name.to_owned() } else { format!("{name}__{lookup}") }
}

fn string() -> ObjectBuilder {
    schema::text(None)
}

fn described(lookup: &str) -> &'static str {
    match lookup {
        "contains" => "contains value",
        "icontains" => "contains value, ignoring case",
        "startswith" => "starts with value",
        "istartswith" => "starts with value, ignoring case",
        "iexact" => "matches value, ignoring case",
        "regex" => "matches regex value",
        "iregex" => "matches regex value, ignoring case",
        "in" => "is in a comma-separated list of values",
        "ne" => "not equal to value",
        "lt" => "is less than value",
        "lte" => "is less than or equal to value",
        "gt" => "is greater than value",
        "gte" => "is greater than or equal to value",
        _ => "matches value",
    }
}

/// Takes their meaning from the wildcards of LIKE.
pub(crate) fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

#[cfg(test)]
mod tests;
