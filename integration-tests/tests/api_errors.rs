//! Bad requests get the answers that clients of Pulp know, never a 500.

use http::Method;
use integration_tests::fixtures::{DISTRIBUTIONS, FILES, PUBLICATIONS, REMOTES, REPOSITORIES};
use integration_tests::{Pulp, send};
use serde_json::{Value, json};

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// A text that cannot be compressed, in which Postgres would find room for more.
fn letters(count: usize) -> String {
    let letter = |byte: &u8| char::from(b'a' + byte % 26);
    integration_tests::fixtures::noise(count, 7).iter().map(letter).collect()
}

fn remote_with(field: &str, value: impl Into<Value>) -> Value {
    let mut remote = json!({"name": "a", "url": "http://a/"});
    remote[field] = value.into();
    remote
}

#[tokio::test]
async fn what_an_index_can_just_hold_is_taken() {
    let pulp = Pulp::start().await;
    pulp.client.post(REPOSITORIES, &json!({"name": letters(2600)})).await.expect(201);
    pulp.client.post(REMOTES, &remote_with("name", letters(2600))).await.expect(201);
    let long = json!({"name": letters(2600), "base_path": letters(2600)});
    pulp.completed(pulp.client.post(DISTRIBUTIONS, &long).await.expect(202)).await;
    let file = reqwest::multipart::Part::bytes(b"x".as_slice()).file_name("x");
    let form = reqwest::multipart::Form::new().text("relative_path", letters(2560)).part("file", file);
    let created = send(pulp.client.request(Method::POST, FILES).multipart(form)).await;
    pulp.completed(created.expect(202)).await;
}

#[tokio::test]
async fn two_objects_that_get_one_name_at_once_are_told_so() {
    let pulp = Pulp::start().await;
    let (a, b) = (pulp.repository("a").await, pulp.repository("b").await);
    let name = json!({"name": "c"});
    let (a, b) = tokio::join!(pulp.client.patch(&a, &name), pulp.client.patch(&b, &name));
    let mut told = Vec::new();
    for answer in [a, b] {
        match answer.status {
            202 => {
                let task = pulp.monitor_task(answer.expect(202)["task"].as_str().unwrap()).await;
                told.push(task["error"]["description"].as_str().unwrap_or("completed").to_owned());
            }
            _ => told.push(answer.expect(400)["name"][0].as_str().unwrap().to_owned()),
        }
    }
    told.sort();
    assert_eq!(told[0], "completed", "{told:?}");
    assert!(told[1].contains("This field must be unique."), "{told:?}");
}

#[tokio::test]
async fn values_of_filters_may_be_empty_or_have_blanks_around_them() {
    let pulp = Pulp::start().await;
    let api = &pulp.client;
    for name in ["a", "b"] {
        pulp.repository(name).await;
    }
    let count = async |path: &str, query: &str| {
        api.get(&format!("{path}?limit=1&{query}")).await.expect(200)["count"].as_u64().unwrap()
    };
    let nothing = ["name", "name__in", "name__iexact", "retain_repo_versions", "remote", "q"];
    for name in nothing {
        assert_eq!(count(REPOSITORIES, &format!("{name}=")).await, 2, "{name}");
    }
    assert_eq!(count(REPOSITORIES, "pulp_href__in=").await, 0);
    assert_eq!(count(REPOSITORIES, "name=%20a%20").await, 1);
    assert_eq!(count(REPOSITORIES, "format=json").await, 2);
    let tasks = "/pulp/api/v3/tasks/";
    for name in ["state", "state__in", "worker", "logging_cid", "started_at__lt", "started_at__range"] {
        assert_eq!(count(tasks, &format!("{name}=")).await, count(tasks, "").await, "{name}");
    }
    assert_eq!(count(tasks, "pulp_created__gte=2020-01-01T00:00:00.5%2B0000").await, count(tasks, "").await);
    assert_eq!(api.get(&format!("{REPOSITORIES}?format=yaml")).await.status, 404);
    let one = api.get(&format!("{REPOSITORIES}?name=a")).await.expect(200);
    let href = one["results"][0]["pulp_href"].as_str().unwrap();
    assert_eq!(api.get(&format!("{href}?format=nonsense")).await.status, 404);
    api.get(&format!("{FILES}?repository_version=")).await.expect(400);
}

#[tokio::test]
async fn an_empty_text_clears_a_relation() {
    let pulp = Pulp::start().await;
    let api = &pulp.client;
    let remote = api.post(REMOTES, &json!({"name": "r", "url": "http://a/"})).await.expect(201);
    let body = json!({"name": "a", "remote": remote["pulp_href"]});
    let repository = api.post(REPOSITORIES, &body).await.expect(201);
    let href = repository["pulp_href"].as_str().unwrap();
    pulp.completed(api.patch(href, &json!({"remote": ""})).await.expect(202)).await;
    assert_eq!(api.get(href).await.expect(200)["remote"], Value::Null);
    let nowhere = json!({"name": "d", "base_path": "d", "publication": "", "content_guard": ""});
    pulp.completed(api.post(DISTRIBUTIONS, &nowhere).await.expect(202)).await;
}

#[tokio::test]
async fn versions_are_looked_for_below_repositories_only() {
    let pulp = Pulp::start().await;
    let repository = pulp.repository("a").await;
    let id = repository.trim_end_matches('/').rsplit_once('/').unwrap().1;
    for kind in ["tasks", "artifacts", "remotes/file/file"] {
        let version = format!("/pulp/api/v3/{kind}/{id}/versions/0/");
        pulp.client.post(PUBLICATIONS, &json!({"repository_version": version})).await.expect(400);
        pulp.client.get(&format!("{FILES}?repository_version={version}")).await.expect(400);
    }
    let version = format!("{repository}versions/0/");
    pulp.client.get(&format!("{FILES}?repository_version={version}")).await.expect(200);
}

#[tokio::test]
async fn browsers_are_protected_from_other_sites() {
    let pulp = Pulp::start().await;
    let answer = pulp.client.get(REPOSITORIES).await;
    assert_eq!(
        (answer.header("x-content-type-options"), answer.header("x-frame-options")),
        ("nosniff", "DENY")
    );
    let listing = pulp.content.get("/pulp/content/").await;
    assert_eq!(listing.header("x-content-type-options"), "nosniff");
    assert_eq!(listing.header("content-security-policy"), "sandbox");

    let own = pulp.client.base.clone();
    for (name, value, status) in [
        ("Origin", "http://evil.example", 403),
        ("Origin", "null", 403),
        ("Sec-Fetch-Site", "cross-site", 403),
        ("Origin", own.as_str(), 201),
        ("Sec-Fetch-Site", "same-origin", 201),
    ] {
        let body = json!({"name": format!("{name} {value}")});
        let request = pulp.client.request(Method::POST, REPOSITORIES).header(name, value).json(&body);
        assert_eq!(send(request).await.status, status, "{name}: {value}");
    }
}

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
        (DISTRIBUTIONS, json!({"name": "a", "base_path": "a?x"}), "base_path", "cannot contain"),
        (DISTRIBUTIONS, json!({"name": "a", "base_path": letters(2700)}), "base_path", "no more than 2600"),
        (DISTRIBUTIONS, json!({"name": letters(2700), "base_path": "a"}), "name", "no more than 2600"),
        (REPOSITORIES, json!({"name": letters(2700)}), "name", "no more than 2600"),
        (FILES, json!({"relative_path": letters(2700)}), "relative_path", "longer than 2560"),
        (REMOTES, remote_with("name", letters(2700)), "name", "no more than 2600"),
        (REMOTES, remote_with("total_timeout", 1e300), "total_timeout", "less than or equal to 31536000"),
        (REMOTES, remote_with("sock_read_timeout", "1e300"), "sock_read_timeout", "less than or equal to"),
        (
            REMOTES,
            remote_with("proxy_url", "ftp://127.0.0.1:1"),
            "proxy_url",
            "has to begin with one of http://",
        ),
        (REMOTES, remote_with("ca_cert", "nothing"), "ca_cert", "No ca_cert specified in string"),
        (REMOTES, remote_with("client_cert", "nothing"), "client_cert", "No client_cert specified in string"),
        (
            REMOTES,
            remote_with("ca_cert", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "ca_cert",
            "Invalid ca_cert",
        ),
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
