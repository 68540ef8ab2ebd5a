//! Settings that are not supported and stop the start: without them bytes would be kept elsewhere, others
//! could come in, or other URLs exist than the installation's owner believes.

use serde_json::Value;

/// What a setting changes.
const BYTES: &str = "where bytes are kept";
const ACCESS: &str = "who may come in";
const URLS: &str = "which URLs exist";

/// Values that say what is done anyway.
type Harmless = fn(&Value) -> bool;

/// Names, each with what is inside it, or how several begin.
const REFUSED: &[(&str, &str, Harmless)] = &[
    ("STORAGES.default.BACKEND", BYTES, is_file_system),
    ("STORAGES.default", BYTES, is_file_system_of_table),
    ("STORAGES", BYTES, are_file_systems),
    ("DEFAULT_FILE_STORAGE", BYTES, is_file_system),
    ("AWS_*", BYTES, is_nothing),
    ("AZURE_*", BYTES, is_nothing),
    ("GS_*", BYTES, is_nothing),
    ("ACCESS_POLICIES", ACCESS, is_nothing),
    ("ALLOWED_HOSTS", ACCESS, is_all_hosts),
    ("AUTHENTICATION_BACKENDS", ACCESS, are_usual_backends),
    ("AUTH_PASSWORD_VALIDATORS", ACCESS, is_nothing),
    ("AUTH_USER_MODEL", ACCESS, is_nothing),
    ("HIDE_GUARDED_DISTRIBUTIONS", ACCESS, is_off),
    ("MIDDLEWARE", ACCESS, is_nothing),
    ("REDACT_UNSAFE_EXCEPTIONS", ACCESS, is_off),
    ("REST_FRAMEWORK.DEFAULT_AUTHENTICATION_CLASSES", ACCESS, is_nothing),
    ("REST_FRAMEWORK.DEFAULT_PERMISSION_CLASSES", ACCESS, is_nothing),
    ("REST_FRAMEWORK", ACCESS, has_no_classes),
    ("SAML_CONFIG", ACCESS, is_nothing),
    ("SECURE_PROXY_SSL_HEADER", ACCESS, is_usual_header),
    ("SECURE_SSL_REDIRECT", ACCESS, is_off),
    ("DOMAIN_ENABLED", URLS, is_off),
    ("ENABLED_PLUGINS", URLS, is_nothing),
    ("ENABLE_V4_API", URLS, is_off),
    ("FORCE_SCRIPT_NAME", URLS, is_nothing),
    ("ROOT_URLCONF", URLS, is_nothing),
];

/// What a setting would change, if this value of it is not what is done anyway.
pub(super) fn changes(path: &str, value: &Value) -> Option<&'static str> {
    let fits = |name: &str| match name.strip_suffix('*') {
        Some(begin) => path.starts_with(begin),
        None => path.eq_ignore_ascii_case(name),
    };
    let (_, change, is_harmless) = REFUSED.iter().find(|(name, ..)| fits(name))?;
    // A variable of the environment is text, whatever it stands for.
    let parsed = value.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    (!is_harmless(parsed.as_ref().unwrap_or(value))).then_some(*change)
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn is_off(value: &Value) -> bool {
    let words = ["false", "no", "off", "0"];
    is_nothing(value)
        || *value == Value::Bool(false)
        || value.as_i64() == Some(0)
        || value.as_str().is_some_and(|text| words.contains(&text.to_ascii_lowercase().as_str()))
}

fn is_file_system(value: &Value) -> bool {
    let backends = ["django.core.files.storage.FileSystemStorage", "pulpcore.app.models.storage.FileSystem"];
    is_nothing(value) || value.as_str().is_some_and(|text| backends.contains(&text))
}

fn is_file_system_of_table(value: &Value) -> bool {
    is_nothing(value) || is_file_system(&value["BACKEND"])
}

fn are_file_systems(value: &Value) -> bool {
    is_nothing(value) || is_file_system_of_table(&value["default"])
}

fn is_all_hosts(value: &Value) -> bool {
    let is_star = |item: &Value| item.as_str() == Some("*");
    is_nothing(value) || is_star(value) || value.as_array().is_some_and(|hosts| hosts.iter().any(is_star))
}

fn are_usual_backends(value: &Value) -> bool {
    let usual =
        ["django.contrib.auth.backends.ModelBackend", "pulpcore.backends.ObjectRolePermissionBackend"];
    let is_usual = |item: &Value| item.as_str().is_some_and(|text| usual.contains(&text));
    is_nothing(value) || value.as_array().is_some_and(|backends| backends.iter().all(is_usual))
}

fn is_usual_header(value: &Value) -> bool {
    is_nothing(value) || *value == serde_json::json!(["HTTP_X_FORWARDED_PROTO", "https"])
}

fn has_no_classes(value: &Value) -> bool {
    ["DEFAULT_AUTHENTICATION_CLASSES", "DEFAULT_PERMISSION_CLASSES"]
        .iter()
        .all(|name| is_nothing(&value[*name]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_protects_is_refused_unless_it_is_done_anyway() {
        for (path, value) in [
            ("STORAGES", json!({"default": {"BACKEND": "storages.backends.s3.S3Storage"}})),
            ("STORAGES.default.BACKEND", json!("storages.backends.s3.S3Storage")),
            ("STORAGES", json!("{\"default\": {\"BACKEND\": \"x\"}}")),
            ("DEFAULT_FILE_STORAGE", json!("storages.backends.azure_storage.AzureStorage")),
            ("AWS_STORAGE_BUCKET_NAME", json!("pulp")),
            ("DOMAIN_ENABLED", json!(true)),
            ("DOMAIN_ENABLED", json!("True")),
            ("ALLOWED_HOSTS", json!(["pulp.example"])),
            ("AUTHENTICATION_BACKENDS", json!(["django_auth_ldap.backend.LDAPBackend"])),
            ("HIDE_GUARDED_DISTRIBUTIONS", json!("1")),
            ("REST_FRAMEWORK", json!({"DEFAULT_AUTHENTICATION_CLASSES": ["x.Y"]})),
            ("SECURE_PROXY_SSL_HEADER", json!(["HTTP_X_SCHEME", "https"])),
        ] {
            assert!(changes(path, &value).is_some(), "{path} {value}");
        }
        for (path, value) in [
            ("STORAGES", json!({"default": {"BACKEND": "pulpcore.app.models.storage.FileSystem"}})),
            ("STORAGES.staticfiles", json!({"BACKEND": "x"})),
            ("AWS_STORAGE_BUCKET_NAME", json!("")),
            ("DOMAIN_ENABLED", json!("False")),
            ("ALLOWED_HOSTS", json!("[\"*\"]")),
            ("AUTHENTICATION_BACKENDS", json!(["django.contrib.auth.backends.ModelBackend"])),
            ("REST_FRAMEWORK", json!({"PAGE_SIZE": 10})),
            ("SECURE_PROXY_SSL_HEADER", json!(["HTTP_X_FORWARDED_PROTO", "https"])),
            ("OTEL_ENABLED", json!(true)),
            ("CACHE_ENABLED", json!(true)),
        ] {
            assert_eq!(changes(path, &value), None, "{path} {value}");
        }
    }
}
