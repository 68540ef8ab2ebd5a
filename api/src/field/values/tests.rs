//! Fields of requests: what is read, and what is said of what is wrong.

use super::*;
use crate::field::{Boolean, Choice, Integer};

fn fields() -> Vec<Field> {
    vec![
        Field::text("name").required(),
        Field::text("description").nullable(),
        Field::new("count", Integer { low: Some(1), high: None }).nullable(),
        Field::new("flag", Boolean).default(false),
        Field::new("policy", Choice { name: "Policy", words: &["immediate", "on_demand"] }),
        Field::labels(),
    ]
}

fn check_json(mode: Mode, value: Value) -> (Value, Value) {
    let Value::Object(fields_given) = value else { panic!("an object is needed") };
    let form = Form { fields: fields_given, ..Form::default() };
    let (values, errors) = check(&fields(), &form, mode);
    (values.into(), json!(errors))
}

#[test]
fn absent_null_and_value_are_three_things() {
    let (values, errors) = check_json(Mode::Partial, json!({"description": null}));
    assert_eq!((values, errors), (json!({"description": null}), json!({})));
    let (values, errors) = check_json(Mode::Whole, json!({"name": " a "}));
    assert_eq!((values, errors), (json!({"name": "a", "flag": false}), json!({})));
    let (_, errors) = check_json(Mode::Partial, json!({"name": null}));
    assert_eq!(errors, json!({"name": ["This field may not be null."]}));
}

#[test]
fn every_wrong_field_is_told() {
    let (_, errors) = check_json(
        Mode::Whole,
        json!({"x": 1, "pulp_href": "y", "count": 0, "flag": "maybe", "policy": "z", "pulp_labels": "a"}),
    );
    let expected = json!({
        "count": ["Ensure this value is greater than or equal to 1."],
        "flag": ["Must be a valid boolean."],
        "name": ["This field is required."],
        "policy": ["\"z\" is not a valid choice."],
        "pulp_href": ["Unexpected field"],
        "pulp_labels": ["Expected a dictionary of items but got type \"str\"."],
        "x": ["Unexpected field"],
    });
    assert_eq!(errors, expected);
    for name in [json!(""), json!("  "), json!([]), json!({}), json!(true), json!("a\0")] {
        let (_, errors) = check_json(Mode::Whole, json!({"name": name}));
        assert!(errors["name"].is_array(), "{name}");
    }
}

#[test]
fn forms_hold_texts_only() {
    let fields_given = json!({"name": "a", "count": "3", "description": "", "flag": "true",
                              "pulp_labels": "{\"k\": \"v\"}"});
    let Value::Object(given) = fields_given else { panic!("an object is needed") };
    let form = Form { fields: given, is_form: true, ..Form::default() };
    let (values, errors) = check(&fields(), &form, Mode::Whole);
    assert!(errors.is_empty(), "{errors:?}");
    let expected =
        json!({"name": "a", "description": null, "count": 3, "flag": true, "pulp_labels": {"k": "v"}});
    assert_eq!(Value::Object(values), expected);
}

#[test]
fn an_empty_text_is_no_row_but_no_other_value() {
    use crate::field::Reference;
    let fields = [
        Field::new("remote", Reference::<entities::remote::Entity>::any()).nullable(),
        Field::text("description").nullable(),
    ];
    let form = |value: Value| Form { fields: value.as_object().cloned().unwrap(), ..Form::default() };
    let (values, errors) = check(&fields, &form(json!({"remote": ""})), Mode::Partial);
    assert_eq!((Value::from(values), json!(errors)), (json!({"remote": null}), json!({})));
    let (_, errors) = check(&fields, &form(json!({"description": ""})), Mode::Partial);
    assert_eq!(json!(errors), json!({"description": ["This field may not be blank."]}));
}

#[test]
fn numbers_are_bounded_on_both_sides() {
    use crate::field::{Number, Shape};
    let number = Number { low: 0.0, high: 10.0 };
    assert_eq!(number.read(&json!(10), false), Ok(json!(10.0)));
    for value in [json!(10.5), json!(1e300), json!("1e300"), json!("inf"), json!("nan"), json!(-1)] {
        assert!(number.read(&value, false).is_err(), "{value}");
    }
}
