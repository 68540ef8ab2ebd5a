//! What a plugin can build its REST resources of, as users of the API see it: the shelves of the test plugin.
#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use bytes::Bytes;
use futures_util::stream;
use http::Method;
use integration_tests::fixtures::REPOSITORIES;
use integration_tests::tasks::shelves::SCHEMA;
use integration_tests::{Answer, Pulp, send};
use reqwest::multipart::Form;
use serde_json::{Value, json};

const SHELVES: &str = "/pulp/api/v3/test/shelves/";
const NOTICES: &str = "/pulp/api/v3/test/notices/";
const NO_UUID: &str = "00000000-0000-4000-8000-000000000000";

/// Every test is quick and looks at objects of its own, so that one installation serves all of them.
#[tokio::test]
async fn plugins_build_resources_of_all_sorts() {
    let pulp = Pulp::builder().under_test().without_redis().workers(1).start().await;
    sqlx::raw_sql(SCHEMA).execute(&mut pulp.database().await).await.unwrap();
    objects_with_integer_keys_are_created_changed_and_deleted_at_once(&pulp).await;
    what_is_special_to_a_type_is_in_a_table_of_its_own(&pulp).await;
    lists_of_references_are_resolved_and_wrong_ones_are_refused(&pulp).await;
    nested_objects_and_base64_are_checked(&pulp).await;
    any_table_can_have_labels(&pulp).await;
    objects_are_created_below_a_parent(&pulp).await;
    raw_bodies_are_streamed_or_read_within_a_limit(&pulp).await;
    a_hook_follows_each_creation_at_once_and_in_a_task(&pulp).await;
}

async fn objects_with_integer_keys_are_created_changed_and_deleted_at_once(pulp: &Pulp) {
    let api = &pulp.client;
    let answer = api.post(SHELVES, &json!({"name": "a"})).await;
    let location = answer.header("location").to_owned();
    let created = answer.expect(201);
    let href = created["pulp_href"].as_str().unwrap();
    assert_eq!(location, href);
    let key = href.strip_prefix(SHELVES).unwrap().trim_end_matches('/');
    assert!(key.parse::<i32>().is_ok(), "{href}");
    assert_eq!(api.get(href).await.expect(200), created);

    assert_eq!(api.patch(href, &json!({"name": "b"})).await.expect(200)["name"], "b");
    assert_eq!(api.put(href, &json!({"name": "c"})).await.expect(200)["name"], "c");
    assert_eq!(api.get(href).await.expect(200)["name"], "c");
    assert_eq!(refused(api.put(href, &json!({})).await, "name"), "This field is required.");
    shelf(pulp, json!({"name": "taken"})).await;
    for answer in
        [api.post(SHELVES, &json!({"name": "taken"})).await, api.patch(href, &json!({"name": "taken"})).await]
    {
        assert_eq!(refused(answer, "name"), "This field must be unique.");
    }

    for nothing in ["x", "1x", "999999", "99999999999", "-", NO_UUID] {
        let path = format!("{SHELVES}{nothing}/");
        assert_eq!(api.get(&path).await.expect(404)["detail"], "Not found.", "{nothing}");
        api.patch(&path, &json!({"name": "d"})).await.expect(404);
        api.delete(&path).await.expect(404);
    }
    assert_eq!(api.delete(href).await.status, 204);
    api.get(href).await.expect(404);
}

async fn what_is_special_to_a_type_is_in_a_table_of_its_own(pulp: &Pulp) {
    let api = &pulp.client;
    let href = shelf(pulp, json!({"name": "own", "picture": "aGk="})).await;
    let before = api.get(&href).await.expect(200);
    assert_eq!((&before["picture"], &before["place"]), (&json!("aGk="), &Value::Null));
    let same = api.patch(&href, &json!({"name": "own", "picture": "aGk="})).await.expect(200);
    assert_eq!(same, before, "nothing changed, not even the time");

    let after = api.patch(&href, &json!({"picture": null})).await.expect(200);
    assert_eq!(after["picture"], Value::Null);
    assert!(after["pulp_last_updated"].as_str() > before["pulp_last_updated"].as_str(), "{after:#}");
    let both = json!({"name": "owned", "place": {"room": "hall"}});
    let after = api.patch(&href, &both).await.expect(200);
    assert_eq!((&after["name"], &after["place"]["room"]), (&json!("owned"), &json!("hall")));
    assert_eq!(api.delete(&href).await.status, 204);
    let sql = "SELECT count(*) FROM test_shelf WHERE id NOT IN (SELECT id FROM test_furniture)";
    let left: i64 = sqlx::query_scalar(sql).fetch_one(&mut pulp.database().await).await.unwrap();
    assert_eq!(left, 0);
}

async fn lists_of_references_are_resolved_and_wrong_ones_are_refused(pulp: &Pulp) {
    let api = &pulp.client;
    let (one, two) = (pulp.repository("one").await, pulp.repository("two").await);
    let prn = api.get(&two).await.expect(200)["prn"].clone();
    let href = shelf(pulp, json!({"name": "referring", "repositories": [one, prn]})).await;
    assert_eq!(api.get(&href).await.expect(200)["repositories"], json!([one, two]));
    let none = api.patch(&href, &json!({"repositories": []})).await.expect(200);
    assert_eq!(none["repositories"], json!([]));

    for (given, told) in [
        (json!([one, href]), "Invalid hyperlink - Incorrect URL match."),
        (json!(["nowhere"]), "Invalid hyperlink - No URL match."),
        (json!([one, format!("{REPOSITORIES}{NO_UUID}/")]), "Invalid hyperlink - Object does not exist."),
        (json!(one), "Expected a list of items but got type \"str\"."),
        (json!([7]), "Incorrect type. Expected URL string, received int."),
    ] {
        let answer = api.patch(&href, &json!({ "repositories": given })).await;
        assert_eq!(refused(answer, "repositories"), told);
    }
    assert_eq!(api.get(&href).await.expect(200)["repositories"], json!([]));
}

async fn nested_objects_and_base64_are_checked(pulp: &Pulp) {
    let api = &pulp.client;
    let href = shelf(pulp, json!({"name": "nested", "place": {"room": "hall"}})).await;
    let place = api.get(&href).await.expect(200)["place"].clone();
    assert_eq!(place, json!({"room": "hall", "floor": 0}), "with what is absent by default");
    for (field, given, told) in [
        ("place", json!({"floor": 1}), "room: This field is required."),
        (
            "place",
            json!({"room": "a", "floor": -1}),
            "floor: Ensure this value is greater than or equal to 0.",
        ),
        ("place", json!({"room": "a", "door": 1}), "door: Unexpected field"),
        ("place", json!("hall"), "Expected a dictionary of items but got type \"str\"."),
        ("picture", json!("aGk"), "Not a valid base64 string."),
    ] {
        assert_eq!(refused(api.patch(&href, &json!({ field: given })).await, field), told);
    }
    let place = "{\"room\": \"attic\", \"floor\": \"3\"}";
    let form = Form::new().text("name", "formed").text("place", place);
    let formed = api.post_form(SHELVES, form).await.expect(201);
    assert_eq!(formed["place"], json!({"room": "attic", "floor": 3}));
}

async fn any_table_can_have_labels(pulp: &Pulp) {
    let api = &pulp.client;
    let oak = shelf(pulp, json!({"name": "oak", "pulp_labels": {"wood": "oak"}})).await;
    let pine = shelf(pulp, json!({"name": "pine"})).await;
    let label = json!({"key": "wood", "value": "pine"});
    assert_eq!(api.post(&format!("{pine}set_label/"), &label).await.expect(201), label);
    let selected = async |selection: &str| {
        let query = format!("{SHELVES}?pulp_label_select={selection}&ordering=name&fields=name");
        api.get(&query).await.expect(200)["results"].clone()
    };
    assert_eq!(selected("wood").await, json!([{"name": "oak"}, {"name": "pine"}]));
    assert_eq!(selected("wood=pine").await, json!([{"name": "pine"}]));
    let unset = api.post(&format!("{oak}unset_label/"), &json!({"key": "wood"})).await.expect(201);
    assert_eq!(unset, json!({"key": "wood", "value": "oak"}));
    assert_eq!(selected("wood").await, json!([{"name": "pine"}]));
    api.post(&format!("{SHELVES}x/set_label/"), &label).await.expect(404);
}

async fn objects_are_created_below_a_parent(pulp: &Pulp) {
    let api = &pulp.client;
    let (high, low) = (shelf(pulp, json!({"name": "high"})).await, shelf(pulp, json!({"name": "low"})).await);
    let boards = format!("{high}boards/");
    let answer = api.post(&boards, &json!({"height": 200})).await;
    let location = answer.header("location").to_owned();
    let board = answer.expect(201);
    let href = board["pulp_href"].as_str().unwrap();
    assert!(href.starts_with(&boards) && location == href, "{href} {location}");
    api.post(&boards, &json!({"height": 20})).await.expect(201);
    let heights = api.get(&format!("{boards}?ordering=height&fields=height")).await.expect(200);
    assert_eq!(heights["results"], json!([{"height": 20}, {"height": 200}]));
    assert_eq!(api.patch(href, &json!({"height": 100})).await.expect(200)["height"], 100);

    assert_eq!(api.get(&format!("{low}boards/")).await.expect(200)["count"], 0);
    let elsewhere = href.replace(&high, &low);
    api.get(&elsewhere).await.expect(404);
    api.delete(&elsewhere).await.expect(404);
    for nothing in ["x", "999999", NO_UUID] {
        let boards = format!("{SHELVES}{nothing}/boards/");
        api.get(&boards).await.expect(404);
        // It matters before the body that there is no parent.
        api.post(&boards, &json!({"height": 200})).await.expect(404);
        api.post(&boards, &json!({})).await.expect(404);
    }
    assert_eq!(
        refused(api.post(&boards, &json!({"height": 0})).await, "height"),
        "Ensure this value is greater than or equal to 1."
    );
    assert_eq!(
        refused(api.post(&boards, &json!({"height": 1, "shelf_id": 1})).await, "shelf_id"),
        "Unexpected field"
    );
    assert_eq!(api.delete(href).await.status, 204);
    assert_eq!(api.get(&boards).await.expect(200)["count"], 1);
}

async fn raw_bodies_are_streamed_or_read_within_a_limit(pulp: &Pulp) {
    let href = shelf(pulp, json!({"name": "raw"})).await;
    let post = async |action: &str, body: reqwest::Body| {
        send(pulp.client.request(Method::POST, &format!("{href}{action}/")).body(body)).await
    };
    let pieces = (0..40).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 100_000])));
    let weighed = post("weigh", reqwest::Body::wrap_stream(stream::iter(pieces))).await.expect(200);
    assert_eq!(weighed, json!({"weight": 4_000_000}));
    let note = post("note", "{ no JSON".into()).await;
    assert_eq!((note.status, note.text().as_str()), (200, "{ no JSON"));
    assert_eq!(post("note", vec![b'x'; 1000].into()).await.status, 200);
    post("note", vec![b'x'; 1001].into()).await.expect(413);
}

async fn a_hook_follows_each_creation_at_once_and_in_a_task(pulp: &Pulp) {
    let api = &pulp.client;
    let admin = api.get("/pulp/api/v3/users/?username=admin").await.expect(200);
    let admin = &admin["results"][0]["pulp_href"];
    let at_once = shelf(pulp, json!({"name": "hooked"})).await;
    assert_eq!(&api.get(&at_once).await.expect(200)["creator"], admin);

    let answer = api.post(NOTICES, &json!({"text": "closed"})).await.expect(202);
    let task = pulp.completed(answer).await;
    let href = task["created_resources"][0].as_str().unwrap();
    let notice = api.get(href).await.expect(200);
    assert_eq!(notice, json!({"pulp_href": href, "text": "closed", "creator": admin}));
}

/// A new shelf; returns its href.
async fn shelf(pulp: &Pulp, body: Value) -> String {
    let shelf = pulp.client.post(SHELVES, &body).await.expect(201);
    shelf["pulp_href"].as_str().unwrap().to_owned()
}

/// What a 400 says about one field, and about no other.
fn refused(answer: Answer, field: &str) -> String {
    let errors = answer.expect(400);
    assert_eq!(errors.as_object().unwrap().len(), 1, "{errors:#}");
    errors[field][0].as_str().unwrap_or_else(|| panic!("{errors:#}")).to_owned()
}
