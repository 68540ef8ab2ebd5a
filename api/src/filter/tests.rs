//! Filters: what they refuse, and what they make of wild cards.

use std::sync::Arc;

use entities::kind::{self, Kinds};
use entities::task::Column;
use entities::{Links, Scope};
use sea_orm::{DatabaseConnection, DbBackend, QueryFilter, QueryTrait};

use super::*;

/// Calls `with` with a reader that has no database behind it.
pub(crate) fn with_reader<T>(with: impl FnOnce(&Reader<'_>) -> T) -> T {
    let environment = [("PULP_REDIS_URL".into(), "redis://localhost".into())];
    let settings = entities::settings::load_from(&environment, std::path::Path::new("/nowhere")).unwrap();
    let links = Links::new(Arc::new(Kinds::new([])), "/pulp/");
    let (scope, db) = (Scope::of_request(None, true), DatabaseConnection::default());
    with(&Reader { scope: &scope, links: &links, db: &db, settings: &settings.settings })
}

#[test]
fn dates_in_several_forms() {
    let expected = "2024-01-02T00:00:00+00:00";
    for text in [
        "2024-01-02",
        "2024-01-02T00:00:00Z",
        "2024-01-02 00:00",
        "2024-01-02T01:00:00+01:00",
        "2024-01-02T01:00:00 01:00",
    ] {
        assert_eq!(parse_date("x", text).unwrap().to_rfc3339(), expected, "{text}");
    }
    for text in ["", "tomorrow", "2024-13-01", "2024-01-02T"] {
        assert!(parse_date("x", text).is_err(), "{text}");
    }
}

#[test]
fn wild_cards_of_a_value_are_no_wild_cards() {
    let filters = names("name", Column::Name);
    let contains = filters.iter().find(|filter| filter.name() == "name__contains").unwrap();
    let condition = with_reader(|reader| contains.apply("a_b%", reader)).unwrap().condition;
    let rows = Scope::of_request(None, true).rows::<entities::task::Entity>().filter(condition);
    let values = rows.build(DbBackend::Postgres).values.unwrap().0;
    assert_eq!(values.last(), Some(&sea_orm::Value::from("%a\\_b\\%%")));
}

#[test]
fn wrong_values_are_refused() {
    let filters = [
        dates("d", Column::StartedAt),
        integers("n", Column::Seq, &["", "range"]),
        ids(&kind::TASK, Column::PulpId),
        vec![version("v", |repository, number| repository.eq(number))],
        vec![reference::<entities::task::Entity>("r", Column::ParentTaskId)],
    ];
    for filter in filters.concat() {
        assert!(with_reader(|reader| filter.apply("x,y", reader)).is_err(), "{filter:?}");
    }
}
