//! The grammar of `pulp_label_select`, and what labels may be (R20, R21).

use sea_orm::sea_query::extension::postgres::PgExpr;
use sea_orm::sea_query::{Expr, ExprTrait, Func, LikeExpr};
use serde_json::{Map, Value, json};

use crate::{Error, Result, filter};

/// One term of a selection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// `key`: the label is there.
    Has(String),
    /// `!key`: it is not.
    HasNot(String),
    /// `key=value`.
    Is(String, String),
    /// `key!=value`: it is there and has another value.
    IsNot(String, String),
    /// `key~value`: its value contains this, ignoring case.
    Contains(String, String),
}

/// Reads a selection: terms separated by commas, all of which have to hold. `\,` is a comma.
///
/// # Errors
/// Names the first term that is none.
pub fn parse(text: &str) -> Result<Vec<Term>> {
    let mut terms = vec![String::new()];
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        match (next, terms.last_mut()) {
            ('\\', Some(term)) if rest.next_if_eq(&',').is_some() => term.push(','),
            (',', _) => terms.push(String::new()),
            (other, Some(term)) => term.push(other),
            (_, None) => {}
        }
    }
    terms.iter().map(|term| parse_term(term)).collect()
}

fn parse_term(term: &str) -> Result<Term> {
    let term = term.trim();
    let refuse = |message: String| Error::field("pulp_label_select", message);
    if let Some(key) = term.strip_prefix('!') {
        let key = key.trim();
        if key.contains(['=', '~', '!']) {
            return Err(refuse(format!("Operator not allowed in the search term '{term}'.")));
        }
        return valid_key(key).then(|| Term::HasNot(key.to_owned())).ok_or_else(|| invalid(term));
    }
    let (key, found) = match term.find(['=', '~', '!']) {
        None => (term, None),
        Some(at) => (term[..at].trim(), Some(term[at..].trim())),
    };
    if !valid_key(key) {
        return Err(invalid(term));
    }
    let key = key.to_owned();
    let value = |text: &str| text.trim().to_owned();
    match found {
        None => Ok(Term::Has(key)),
        Some(rest) => match (rest.strip_prefix("!="), rest.strip_prefix('='), rest.strip_prefix('~')) {
            (Some(text), _, _) => Ok(Term::IsNot(key, value(text))),
            (_, Some(text), _) => Ok(Term::Is(key, value(text))),
            (_, _, Some(text)) => Ok(Term::Contains(key, value(text))),
            _ => Err(invalid(term)),
        },
    }
}

fn invalid(term: &str) -> Error {
    Error::field("pulp_label_select", format!("Invalid search term: '{term}'."))
}

fn valid_key(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ' ' || c == '-')
}

impl Term {
    /// The condition of the term on a column of labels.
    pub fn on(&self, labels: Expr) -> Expr {
        let has = |key: &str| Expr::from(Func::cust("jsonb_exists").args([labels.clone(), Expr::val(key)]));
        let value_of = |key: &str| labels.clone().cast_json_field(key);
        match self {
            Term::Has(key) => has(key),
            Term::HasNot(key) => has(key).not(),
            Term::Is(key, value) => labels.contains(Expr::val(json!({key: value}))),
            Term::IsNot(key, value) => value_of(key).ne(value.as_str()),
            Term::Contains(key, value) => {
                value_of(key).ilike(LikeExpr::new(format!("%{}%", filter::escape(value))))
            }
        }
    }
}

/// Reads labels that a user gives; numbers are taken as texts.
///
/// # Errors
/// Says what is wrong with them.
pub fn read(mut labels: Map<String, Value>) -> Result<Map<String, Value>, String> {
    for (key, value) in &mut labels {
        check_key(key)?;
        if let Value::Number(number) = value {
            *value = number.to_string().into();
        }
        match value {
            Value::Null => {}
            Value::String(text) => check_value(key, text)?,
            _ => return Err("Not a valid string.".to_owned()),
        }
    }
    Ok(labels)
}

/// Checks the name of a label.
pub fn check_key(key: &str) -> Result<(), String> {
    let valid =
        !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ' ' || c == '-');
    if valid { Ok(()) } else { Err(format!("Key '{key}' contains non-alphanumerics.")) }
}

/// Checks the value of a label.
pub fn check_value(key: &str, value: &str) -> Result<(), String> {
    match value.contains(['(', ')', '\0']) {
        true => Err(format!("Key '{key}' contains value with parenthesis.")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_terms() {
        let terms = parse(r"a,!b, c = d,e!=f,g~h\,i").unwrap();
        let expected = [
            Term::Has("a".into()),
            Term::HasNot("b".into()),
            Term::Is("c".into(), "d".into()),
            Term::IsNot("e".into(), "f".into()),
            Term::Contains("g".into(), "h,i".into()),
        ];
        assert_eq!(terms, expected);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "!", "!a=b", "a,,b", "=b", "a!b", "a'b"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
