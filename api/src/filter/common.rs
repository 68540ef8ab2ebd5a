//! Filters of columns: texts, numbers, times, words, labels.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::extension::postgres::{PgBinOper, PgExpr};
use sea_orm::sea_query::{Expr, ExprTrait, Func, LikeExpr};
use sea_orm::{ColumnTrait, Value};
use utoipa::openapi::Type;
use utoipa::openapi::schema::ObjectBuilder;

use super::{Filter, escape, parse_date, with};
use crate::reader::Reader;
use crate::{Error, Result, labels, schema};

/// Ways to compare a text (R14).
const TEXT: [&str; 9] =
    ["", "contains", "icontains", "iexact", "in", "iregex", "istartswith", "regex", "startswith"];

/// All the filters of a name: exact, `in`, `contains`, `startswith`, their `i` forms, and regular
/// expressions.
pub fn names(name: &str, column: impl ColumnTrait) -> Vec<Filter> {
    texts(name, column, &TEXT)
}

/// As [`names`], of a column without an entity.
pub(crate) fn names_of(name: &str, column: &Expr) -> Vec<Filter> {
    TEXT.iter().map(|lookup| text(name, column.clone(), lookup)).collect()
}

/// Some of the filters of a text; `""` is the exact one, `ne` its opposite.
pub fn texts(name: &str, column: impl ColumnTrait, lookups: &[&'static str]) -> Vec<Filter> {
    lookups.iter().map(|lookup| text(name, column.into_expr(), lookup)).collect()
}

fn text(name: &str, column: Expr, lookup: &'static str) -> Filter {
    let description = format!("Filter results where {name} {}", described(lookup));
    if lookup == "in" {
        return Filter::list(with(name, lookup), string(), &description, move |values, _| {
            Ok(column.clone().is_in(values.into_iter().map(str::to_owned)))
        });
    }
    Filter::new(with(name, lookup), string(), &description, move |value, _| {
        let like = |before: &str, after: &str| LikeExpr::new(format!("{before}{}{after}", escape(value)));
        let expression = column.clone();
        Ok(match lookup {
            "contains" => expression.like(like("%", "%")),
            "icontains" => expression.ilike(like("%", "%")),
            "startswith" => expression.like(like("", "%")),
            "istartswith" => expression.ilike(like("", "%")),
            "iexact" => Expr::from(Func::lower(expression)).eq(Func::lower(Expr::val(value))),
            "regex" => expression.binary(PgBinOper::Regex, Expr::val(value)),
            "iregex" => expression.binary(PgBinOper::RegexCaseInsensitive, Expr::val(value)),
            "ne" => expression.ne(value),
            _ => expression.eq(value),
        })
    })
}

/// The filters of a time (R15).
pub fn dates(name: &str, column: impl ColumnTrait) -> Vec<Filter> {
    let date = || schema::text(Some("date-time"));
    let mut filters = comparisons::<DateTime<Utc>>(name, column, date, parse_date);
    filters.retain(|filter| filter.name() != with(name, "ne"));
    filters.push(is_null(name, column));
    filters
}

/// The filters of a number, some of `""`, `ne`, `lt`, `lte`, `gt`, `gte`, `range`, `isnull`.
pub fn integers(name: &str, column: impl ColumnTrait, lookups: &[&str]) -> Vec<Filter> {
    let mut filters = comparisons::<i64>(name, column, || schema::simple(Type::Integer, None), number);
    filters.push(is_null(name, column));
    filters.retain(|filter| lookups.iter().any(|lookup| filter.name() == with(name, lookup)));
    filters
}

fn comparisons<T: Into<Value> + 'static>(
    name: &str,
    column: impl ColumnTrait,
    schema: fn() -> ObjectBuilder,
    parse: fn(&str, &str) -> Result<T>,
) -> Vec<Filter> {
    let compare = |lookup: &'static str| {
        let full = with(name, lookup);
        let description = format!("Filter results where {name} {}", described(lookup));
        Filter::new(full.clone(), schema(), &description, move |text, _| {
            let value: Value = parse(&full, text)?.into();
            Ok(match lookup {
                "ne" => column.ne(value),
                "lt" => column.lt(value),
                "lte" => column.lte(value),
                "gt" => column.gt(value),
                "gte" => column.gte(value),
                _ => column.eq(value),
            })
        })
    };
    let mut filters: Vec<Filter> = ["", "ne", "lt", "lte", "gt", "gte"].map(compare).into();
    let full = with(name, "range");
    let description = format!("Filter results where {name} is between two comma separated values");
    filters.push(Filter::list(full.clone(), schema(), &description, move |values, _| {
        let [low, high] = values.as_slice() else {
            return Err(Error::field(full.as_str(), "Range query expects two values."));
        };
        let (low, high): (Value, Value) = (parse(&full, low)?.into(), parse(&full, high)?.into());
        Ok(column.between(low, high))
    }));
    filters
}

fn is_null(name: &str, column: impl ColumnTrait) -> Filter {
    boolean(&with(name, "isnull"), move |wanted| if wanted { column.is_null() } else { column.is_not_null() })
}

/// The filter of a yes or no; `condition` says which rows match either.
pub fn boolean(name: &str, condition: impl Fn(bool) -> Expr + Send + Sync + 'static) -> Filter {
    let full = name.to_owned();
    Filter::new(name, schema::simple(Type::Boolean, None), "", move |value, _| {
        match value.to_ascii_lowercase().as_str() {
            "true" | "1" | "t" | "yes" => Ok(condition(true)),
            "false" | "0" | "f" | "no" => Ok(condition(false)),
            _ => Err(Error::field(full.as_str(), "Must be a valid boolean.")),
        }
    })
}

/// The filters of a column that holds one of some words: `""`, `ne` and `in`. `parse` returns the word's
/// value.
pub fn choice<T: Into<Value> + 'static>(
    name: &'static str,
    column: impl ColumnTrait,
    words: &[&'static str],
    parse: fn(&str) -> Option<T>,
) -> Vec<Filter> {
    let read = move |parameter: &str, word: &str| -> Result<Value> {
        let message = || format!("Select a valid choice. {word} is not one of the available choices.");
        let value = parse(word).ok_or_else(|| Error::field(parameter, message()))?;
        Ok(value.into())
    };
    let enumeration = string().enum_values(Some(words.to_vec()));
    let exact = format!("Filter results where {name} matches value");
    let (ne, one_of) = (with(name, "ne"), with(name, "in"));
    let (in_ne, in_one_of) = (ne.clone(), one_of.clone());
    vec![
        Filter::new(name, enumeration, &exact, move |word, _| Ok(column.eq(read(name, word)?))),
        Filter::new(ne, string(), "", move |word, _| Ok(column.ne(read(&in_ne, word)?))),
        Filter::list(one_of, string(), "", move |words, _| {
            let values = words.into_iter().map(|word| read(&in_one_of, word));
            Ok(column.is_in(values.collect::<Result<Vec<Value>>>()?))
        }),
    ]
}

/// The filter of labels (R21).
pub fn label_select(column: impl ColumnTrait) -> Filter {
    let description = "Filter labels by search string";
    Filter::new("pulp_label_select", string(), description, move |value, _| {
        let terms = labels::parse(value)?.into_iter().map(|term| term.on(column.into_expr()));
        Ok(terms.reduce(Expr::and).unwrap_or_else(|| Expr::val(true)))
    })
    .with_nothing()
}

/// The filters of `pulp_type` on lists over all types (R18). A type that no plugin brings is refused.
pub fn types(column: impl ColumnTrait) -> Vec<Filter> {
    const NAME: &str = "pulp_type";
    let table = column.entity_name().to_string();
    let check =
        move |parameter: &str, word: &str, reader: &Reader<'_>| match reader.links.kinds().of(&table, word) {
            Some(_) => Ok(()),
            None => {
                let message = format!("Select a valid choice. {word} is not one of the available choices.");
                Err(Error::field(parameter, message))
            }
        };
    let check_all = check.clone();
    let (exact, one_of) = (format!("Filter results where {NAME} {}", described("")), with(NAME, "in"));
    let (several, parameter) = (format!("Filter results where {NAME} {}", described("in")), one_of.clone());
    vec![
        Filter::new(NAME, string(), &exact, move |word, reader| {
            check(NAME, word, reader)?;
            Ok(column.eq(word))
        }),
        Filter::list(one_of, string(), &several, move |words, reader| {
            words.iter().try_for_each(|word| check_all(&parameter, word, reader))?;
            Ok(column.is_in(words.into_iter().map(str::to_owned)))
        }),
    ]
}

/// Reads a number.
///
/// # Errors
/// Names the parameter if it is none.
pub fn number<T: std::str::FromStr>(parameter: &str, text: &str) -> Result<T> {
    text.trim().parse().map_err(|_| Error::field(parameter, "Enter a number."))
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
