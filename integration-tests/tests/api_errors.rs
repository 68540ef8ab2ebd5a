//! Bad requests get the answers that clients of Pulp know, never a 500.

use http::Method;
use integration_tests::fixtures::{DISTRIBUTIONS, FILES, PUBLICATIONS, REMOTES, REPOSITORIES};
use integration_tests::{Pulp, send};
use serde_json::json;

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

#[tokio::test]
async fn bad_bodies() {
    let pulp = Pulp::start().await;
    let api = &pulp.client;
    pulp.repository("taken").await;
    let broken = api.request(Method::POST, REPOSITORIES).header("content-type", "application/json");
    let broken = send(broken.body("{\"name\": ")).await.expect(400);
    assert!(broken["detail"].as_str().unwrap().starts_with("JSON parse error"), "{broken:#}");
    let array = send(api.request(Method::POST, REPOSITORIES).json(&json!([1]))).await.expect(400);
    assert!(array["non_field_errors"][0].as_str().unwrap().contains("Invalid data"), "{array:#}");

    for (path, body, field, message) in [
        (REPOSITORIES, json!({}), "name", "This field is required."),
        (REPOSITORIES, json!({"name": null}), "name", "This field may not be null."),
        (REPOSITORIES, json!({"name": ""}), "name", "This field may not be blank."),
        (REPOSITORIES, json!({"name": {"a": 1}}), "name", "Not a valid string."),
        (REPOSITORIES, json!({"name": "taken"}), "name", "This field must be unique."),
        (REPOSITORIES, json!({"name": "a", "colour": "red"}), "colour", "Unexpected field"),
        (
            REPOSITORIES,
            json!({"name": "a", "retain_repo_versions": "x"}),
            "retain_repo_versions",
            "A valid integer",
        ),
        (
            REPOSITORIES,
            json!({"name": "a", "retain_repo_versions": 0}),
            "retain_repo_versions",
            "greater than or equal to 1",
        ),
        (REPOSITORIES, json!({"name": "a", "autopublish": "x"}), "autopublish", "Must be a valid boolean."),
        (REPOSITORIES, json!({"name": "a", "remote": "x"}), "remote", "Invalid hyperlink"),
        (REMOTES, json!({"name": "a", "url": "http://a/", "policy": "x"}), "policy", "is not a valid choice"),
        (REMOTES, json!({"name": "a"}), "url", "This field is required."),
        (DISTRIBUTIONS, json!({"name": "a"}), "base_path", "This field is required."),
        (DISTRIBUTIONS, json!({"name": "a", "base_path": "/x"}), "base_path", "slash"),
    ] {
        let answer = api.post(path, &body).await.expect(400);
        let told = answer[field][0].as_str().unwrap_or_default();
        assert!(told.contains(message), "{path} {body}: {answer:#}");
    }
    let missing = format!("{REPOSITORIES}{NOBODY}/");
    let nowhere = api.post(PUBLICATIONS, &json!({"repository": missing})).await.expect(400);
    assert!(nowhere["repository"][0].as_str().unwrap().contains("Object does not exist"), "{nowhere:#}");
    api.post(PUBLICATIONS, &json!({})).await.expect(400);
}

#[tokio::test]
async fn bad_targets() {
    let pulp = Pulp::start().await;
    let api = &pulp.client;
    let missing = format!("{REPOSITORIES}{NOBODY}/");
    for path in [
        &missing,
        &format!("{REPOSITORIES}not-a-uuid/"),
        &format!("/pulp/api/v3/tasks/{NOBODY}/"),
        &format!("{missing}versions/"),
    ] {
        assert_eq!(
            api.get(path).await.expect(404)["detail"].as_str().unwrap_or_default(),
            "Not found.",
            "{path}"
        );
    }
    assert_eq!(api.get("/pulp/api/v3/nothing/").await.status, 404);
    api.delete(&missing).await.expect(404);
    api.patch(&missing, &json!({"name": "a"})).await.expect(404);

    let unknown = api.get(&format!("{REPOSITORIES}?colour=red")).await.expect(400);
    assert!(unknown.to_string().contains("Invalid Filter: 'colour'"), "{unknown:#}");
    api.get("/pulp/api/v3/tasks/?state=asleep").await.expect(400);
    api.get(&format!("{FILES}?repository_version=x")).await.expect(400);
    api.get(&format!("{REPOSITORIES}?ordering=colour")).await.expect(400);
    api.get(&format!("{REPOSITORIES}?limit=x")).await.expect(200);

    let method = api.put(REPOSITORIES, &json!({})).await.expect(405);
    assert_eq!(method["detail"], "Method \"PUT\" not allowed.");
    let text = api.request(Method::POST, REPOSITORIES).header("content-type", "text/csv").body("a,b");
    let text = send(text).await.expect(415);
    assert_eq!(text["detail"], "Unsupported media type \"text/csv\" in request.");

    let moved = api.get(REPOSITORIES.trim_end_matches('/')).await;
    assert_eq!((moved.status, moved.header("location")), (301, REPOSITORIES));
}

#[tokio::test]
async fn credentials_are_asked_for() {
    let pulp = Pulp::start().await;
    let api = &pulp.client;
    let nobody = send(api.anonymous(Method::GET, REPOSITORIES)).await;
    assert!(nobody.header("www-authenticate").starts_with("Basic"), "{nobody:?}");
    assert_eq!(nobody.expect(401)["detail"], "Authentication credentials were not provided.");
    for (user, password) in [("admin", "wrong"), ("nobody", "password")] {
        let request = api.anonymous(Method::GET, REPOSITORIES).basic_auth(user, Some(password));
        assert_eq!(send(request).await.expect(401)["detail"], "Invalid username/password.");
    }
    for open in ["/pulp/api/v3/status/", "/pulp/api/v3/docs/api.json", "/pulp/api/v3/livez/"] {
        assert_eq!(send(api.anonymous(Method::GET, open)).await.status, 200, "{open}");
    }
    let sent = "0123456789abcdef0123456789abcdef";
    assert_eq!(api.get_with(REPOSITORIES, "correlation-id", sent).await.header("correlation-id"), sent);
}
