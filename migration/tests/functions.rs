//! Database functions follow their files, and processes notice if they do not.
#![expect(clippy::unwrap_used, reason = "a test's helper ends the test")]

#[allow(dead_code, missing_docs, unreachable_pub, reason = "for other tests, too")]
#[path = "../../tasking/tests/support/servers.rs"]
mod servers;

use entities::db;
use migration::{Applied, Difference, Function, Migrator, SqlMigration};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use servers::Servers;

const NAME: &str = "shelf_books";

const COUNTS: &str =
    "CREATE OR REPLACE FUNCTION shelf_books() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'";

async fn bench() -> (Servers, DatabaseConnection) {
    let servers = Servers::start().await;
    let db = db::connect(&servers.settings(), "test").await.unwrap();
    (servers, db)
}

/// Core, and a plugin that brings one function.
fn with(sql: &'static str) -> Migrator {
    Migrator::new(Vec::new).with_functions(|| vec![Function::new(NAME, sql)])
}

async fn text(db: &DatabaseConnection, sql: &str) -> String {
    let row = db.query_one_raw(db::sql(sql, [])).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

/// Every function with what changes when it is applied.
async fn all(db: &DatabaseConnection) -> String {
    let sql = "SELECT string_agg(concat_ws(' ', oid::regprocedure, oid, xmin), ',' ORDER BY oid) FROM pg_proc
               WHERE pronamespace = 'public'::regnamespace";
    text(db, sql).await
}

fn only(functions: Vec<&'static str>) -> Applied {
    Applied { functions, ..Applied::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_is_applied_when_its_file_has_changed_and_only_then() {
    let (_servers, db) = bench().await;
    let core = Migrator::new(Vec::new);
    assert_eq!(core.difference(&db).await.unwrap(), None);
    let before = all(&db).await;
    assert_eq!(core.apply(&db).await.unwrap(), Applied::default());
    assert_eq!(all(&db).await, before, "what has not changed is not touched");

    let other = Some(Difference::Functions(vec![NAME.to_owned()]));
    assert_eq!(with(COUNTS).difference(&db).await.unwrap(), other);
    assert_eq!(with(COUNTS).apply(&db).await.unwrap(), only(vec![NAME]));
    assert_eq!(with(COUNTS).difference(&db).await.unwrap(), None);
    assert_eq!(core.difference(&db).await.unwrap(), other, "it is not known to a program without it");

    let edited = "CREATE OR REPLACE FUNCTION shelf_books() RETURNS bigint LANGUAGE sql AS 'SELECT 2::bigint'";
    assert_eq!(with(edited).difference(&db).await.unwrap(), other);
    let identity = "SELECT 'shelf_books'::regproc::oid::text";
    let identity_before = text(&db, identity).await;
    assert_eq!(with(edited).apply(&db).await.unwrap(), only(vec![NAME]));
    assert_eq!(text(&db, "SELECT shelf_books()::text").await, "2");
    assert_eq!(text(&db, identity).await, identity_before, "sessions that call it go on");
    assert_eq!(with(COUNTS).difference(&db).await.unwrap(), other, "an older program notices, too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_with_another_signature_replaces_the_former_one() {
    let (_servers, db) = bench().await;
    with(COUNTS).apply(&db).await.unwrap();
    for (sql, call) in [
        // Another result, a further argument, and another name of it: Postgres replaces none of these.
        (
            "CREATE OR REPLACE FUNCTION shelf_books() RETURNS text LANGUAGE sql AS $$SELECT 'a'$$",
            "shelf_books()",
        ),
        (
            "CREATE OR REPLACE FUNCTION shelf_books(p_b text) RETURNS text LANGUAGE sql AS 'SELECT p_b'",
            "shelf_books('b')",
        ),
        (
            "CREATE OR REPLACE FUNCTION shelf_books(p_c text) RETURNS text LANGUAGE sql AS 'SELECT p_c'",
            "shelf_books('c')",
        ),
    ] {
        assert_eq!(with(sql).apply(&db).await.unwrap(), only(vec![NAME]));
        assert!(["a", "b", "c"].contains(&text(&db, &format!("SELECT {call}")).await.as_str()));
        let count = "SELECT count(*)::text FROM pg_proc WHERE proname = 'shelf_books'";
        assert_eq!(text(&db, count).await, "1", "{sql}");
    }
    let applied = Migrator::new(Vec::new).apply(&db).await.unwrap();
    assert_eq!(applied, Applied { dropped: vec![NAME.to_owned()], ..Applied::default() });
    assert_eq!(text(&db, "SELECT coalesce(to_regproc('shelf_books')::text, 'none')").await, "none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_fails_leaves_the_schema_as_it_was() {
    const SHELF: SqlMigration = SqlMigration { name: "shelf_m0001", sql: "CREATE TABLE shelf_book (id int)" };
    let (_servers, db) = bench().await;
    let migrator =
        |sql| Migrator::new(|| vec![Box::new(SHELF)]).with_functions(move || vec![Function::new(NAME, sql)]);
    let before = all(&db).await;
    let broken = "CREATE OR REPLACE FUNCTION shelf_books() RETURNS bigint LANGUAGE sql AS 'SELECT no_such()'";
    let error = migrator(broken).apply(&db).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("the function shelf_books") && cause.contains("no_such()"), "{cause}");
    assert_eq!(text(&db, "SELECT coalesce(to_regclass('shelf_book')::text, 'none')").await, "none");
    assert_eq!(all(&db).await, before);

    // Of two at the same time one does it all.
    let (one, other) = (migrator(COUNTS), migrator(COUNTS));
    let (one, other) = tokio::join!(one.apply(&db), other.apply(&db));
    let mut both = [one.unwrap(), other.unwrap()];
    both.sort_by_key(|applied| applied.steps.len());
    assert_eq!(both[0], Applied::default());
    assert_eq!((&both[1].steps[..], &both[1].functions[..]), (&["shelf_m0001".to_owned()][..], &[NAME][..]));
}
