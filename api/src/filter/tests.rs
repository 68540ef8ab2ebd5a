//! Filters: what they add to a query, and what they refuse.

use super::*;

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
fn conditions_are_bound_in_order() {
    let mut conditions = Conditions::default();
    for filter in names("name", "t.name") {
        filter.apply("a_b", &mut conditions).unwrap();
    }
    assert_eq!(conditions.values.len(), 9);
    let text = conditions.text();
    assert!(text.starts_with(" WHERE t.name = $1 AND t.name LIKE $2"), "{text}");
    assert_eq!(conditions.values[1], Value::from("%a\\_b%"));
}

#[test]
fn wrong_values_are_refused() {
    let mut conditions = Conditions::default();
    let filters =
        [dates("d", "t.d"), integers("n", "t.n", &["", "range"]), ids("task", "t.pulp_id")].concat();
    for filter in filters {
        assert!(filter.apply("x,y", &mut conditions).is_err(), "{filter:?}");
    }
    assert_eq!(conditions.text(), "");
}
