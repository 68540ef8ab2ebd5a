//! The filter `q`: other filters, joined by AND, OR, NOT and parentheses (R19).
//!
//! `name__contains='a b' AND NOT (state=failed OR state=canceled)`. NOT binds closest, then AND. A value
//! stands in quotes of either kind, with a backslash before a quote that is part of it, or bare if it is one
//! word.

use super::{Filter, Matched};
use crate::reader::Reader;
use crate::{Error, Result};

/// What an expression may cost: one for each filter, and for each AND, OR and NOT however many it joins.
const BUDGET: usize = 8;

/// Parentheses within each other.
const DEPTH: usize = 16;

/// Which rows an expression over some filters stands for.
///
/// # Errors
/// If it cannot be read, costs too much, or one of its filters is unknown or refuses its value.
pub(crate) fn apply(filters: &[Filter], text: &str, reader: &Reader<'_>) -> Result<Matched> {
    let tokens = tokens(text)?;
    let mut parser = Parser { filters, tokens: &tokens, spent: 0, depth: 0, reader };
    let matched = parser.any()?;
    if parser.tokens.is_empty() { Ok(matched) } else { Err(unreadable()) }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Is,
    Word(String),
    Quoted(String),
}

fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            space if space.is_whitespace() => {}
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            '=' => tokens.push(Token::Is),
            '"' | '\'' => {
                let mut quoted = String::new();
                loop {
                    match rest.next().ok_or_else(unreadable)? {
                        '\\' => quoted.push(rest.next().ok_or_else(unreadable)?),
                        end if end == next => break,
                        other => quoted.push(other),
                    }
                }
                tokens.push(Token::Quoted(quoted));
            }
            first => {
                let mut word = String::from(first);
                let ends = |next: &char| next.is_whitespace() || "()='\"".contains(*next);
                while let Some(next) = rest.next_if(|next| !ends(next)) {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

/// Turns tokens into a condition, one level of the grammar a function.
struct Parser<'a> {
    filters: &'a [Filter],
    tokens: &'a [Token],
    spent: usize,
    depth: usize,
    reader: &'a Reader<'a>,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Matched> {
        self.joined("OR", Matched::or, Parser::all)
    }

    fn all(&mut self) -> Result<Matched> {
        self.joined("AND", Matched::and, Parser::one)
    }

    fn joined(
        &mut self,
        operator: &str,
        join: fn(Matched, Matched) -> Matched,
        part: fn(&mut Self) -> Result<Matched>,
    ) -> Result<Matched> {
        let mut matched = part(self)?;
        if self.word_is(operator) {
            self.spend()?;
        }
        while self.take_word(operator) {
            matched = join(matched, part(self)?);
        }
        Ok(matched)
    }

    fn one(&mut self) -> Result<Matched> {
        if self.take_word("NOT") {
            self.spend()?;
            self.descend()?;
            let matched = self.one()?;
            self.depth -= 1;
            return Ok(matched.negated());
        }
        match self.tokens {
            [Token::Open, rest @ ..] => {
                self.tokens = rest;
                self.descend()?;
                let matched = self.any()?;
                self.depth -= 1;
                let [Token::Close, rest @ ..] = self.tokens else { return Err(unreadable()) };
                self.tokens = rest;
                Ok(matched)
            }
            [Token::Word(name), Token::Is, Token::Word(value) | Token::Quoted(value), rest @ ..] => {
                self.tokens = rest;
                self.spend()?;
                let filter = self.filters.iter().find(|filter| filter.name() == name);
                let missing = || Error::field("q", format!("Filter '{name}' does not exist."));
                filter.ok_or_else(missing)?.apply(value, self.reader)
            }
            _ => Err(unreadable()),
        }
    }

    fn word_is(&self, wanted: &str) -> bool {
        matches!(self.tokens, [Token::Word(word), ..] if word.eq_ignore_ascii_case(wanted))
    }

    fn take_word(&mut self, wanted: &str) -> bool {
        let taken = self.word_is(wanted);
        if taken {
            self.tokens = &self.tokens[1..];
        }
        taken
    }

    fn spend(&mut self) -> Result<()> {
        self.spent += 1;
        match self.spent > BUDGET {
            true => Err(Error::field("q", "Filter expression exceeds allowed complexity.")),
            false => Ok(()),
        }
    }

    fn descend(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > DEPTH { Err(unreadable()) } else { Ok(()) }
    }
}

fn unreadable() -> Error {
    Error::field("q", "Syntax error in expression.")
}

#[cfg(test)]
mod tests {
    use entities::Scope;
    use entities::repository::{Column, Entity};
    use sea_orm::{DbBackend, QueryFilter, QueryTrait};

    use super::*;
    use crate::filter::tests::with_reader;
    use crate::filter::texts;

    fn sql(text: &str) -> Result<String> {
        let filters = [texts("name", Column::Name, &["", "in"]), texts("state", Column::PulpType, &[""])];
        let matched = with_reader(|reader| apply(&filters.concat(), text, reader))?;
        let rows = Scope::of_request(None, true).rows::<Entity>().filter(matched.condition);
        let statement = rows.build(DbBackend::Postgres).to_string();
        Ok(statement.split_once(" AND ").unwrap_or_default().1.replace("\"repository\".", ""))
    }

    #[test]
    fn not_binds_closer_than_and_and_that_closer_than_or() {
        assert_eq!(sql("name=a").unwrap(), r#""name" = 'a'"#);
        let text = "NOT name='a \\' b' and state=\"c\" OR (name__in='d,e' or state=f)";
        let expected = r#"(((NOT COALESCE("name" = E'a \' b', FALSE)) AND "pulp_type" = 'c') OR ("name" IN ('d', 'e') OR "pulp_type" = 'f'))"#;
        assert_eq!(sql(text).unwrap(), expected);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let deep = "(".repeat(100_000);
        for text in [
            "",
            "name",
            "name=",
            "=a",
            "name=a state=b",
            "(name=a",
            "name=a)",
            "name='a",
            "NOT",
            "AND",
            &deep,
        ] {
            assert!(sql(text).is_err(), "{text:.20}");
        }
        assert!(sql("colour=red").unwrap_err().to_string().len() > 1);
        let four = "name=a AND state=b AND state=c AND state=d";
        assert!(sql(four).is_ok());
        assert!(sql(&format!("{four} AND NOT (state=e OR state=f)")).is_err(), "too much");
    }
}
