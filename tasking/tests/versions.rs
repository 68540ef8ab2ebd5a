//! Repository versions against a naive model: whatever is added, removed, reset and deleted, every version
//! keeps its set of units, and its counts are those of the sets.
#![expect(clippy::unwrap_used, reason = "a test's helper ends the test")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use entities::{Kind, db, domain};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use support::Bench;
use tasking::context::Claim;
use tasking::tasks::repository::{AddAndRemove, Base, DeleteVersion, Removal};
use tasking::{ContentType, Origin, RepositoryType, RepositoryTypes, Task, TaskContext, Tasks};
use uuid::Uuid;

static KIND: Kind = Kind::typed("test.Test", "repository", "test.test", "repositories/test/test");

static UNIT: Kind = Kind::typed("test.Unit", "content", "test.unit", "content/test/units");

/// Units that are nothing but content: no key is checked, so their table is never looked at.
const UNITS: ContentType = ContentType::new(&UNIT, "test_unit", &["name"]);

fn repositories() -> RepositoryTypes {
    let tasks = Tasks::default().with_repositories([RepositoryType::new(&KIND).takes(UNITS)]);
    tasks.repositories().clone()
}

type Units = BTreeSet<Uuid>;

/// What the versions should be.
#[derive(Debug)]
struct Model {
    versions: BTreeMap<i32, Units>,
    next: i32,
}

impl Model {
    fn modify(&mut self, base: Option<i32>, remove: &Removal, add: &[Uuid]) {
        let latest = self.versions.values().next_back().unwrap();
        let mut units = base.map_or(latest, |number| &self.versions[&number]).clone();
        match remove {
            Removal::All => units.clear(),
            Removal::Units(removed) => units.retain(|unit| !removed.contains(unit)),
        }
        units.extend(add);
        if units != *latest {
            self.versions.insert(self.next, units);
            self.next += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_are_the_sets_they_should_be() {
    let bench = Bench::start().await;
    for seed in 0..4 {
        println!("seed {seed}");
        random_history(&bench, &mut StdRng::seed_from_u64(seed)).await;
    }
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_takes_only_the_content_of_its_types() {
    let bench = Bench::start().await;
    let repository = repository(&bench).await;
    let (own, foreign) = (unit(&bench, "test.unit").await, unit(&bench, "other.unit").await);
    let types = repositories().get("test.test").unwrap();
    let found = types.foreign(&bench.pulp.db, &[own, foreign, Uuid::now_v7()]).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].pulp_id, found[0].pulp_type.as_str()), (foreign, "other.unit"));

    let modify = |add| AddAndRemove {
        repository,
        model: KIND.model(),
        add,
        remove: Removal::Units(Vec::new()),
        base_version: None,
        overwrite: true,
    };
    let error = modify(vec![own, foreign]).run(context(&bench).await).await.unwrap_err();
    assert_eq!(error.to_string(), "a test.test repository does not take other.unit content");
    modify(vec![own]).run(context(&bench).await).await.unwrap();
    let model = Model { versions: BTreeMap::from([(0, Units::new()), (1, Units::from([own]))]), next: 2 };
    compare(&bench, repository, &model).await;
    bench.stop().await;
}

async fn repository(bench: &Bench) -> Uuid {
    let repository = Uuid::now_v7();
    let sql =
        "INSERT INTO repository (pulp_id, pulp_domain_id, pulp_type, name) VALUES ($1, $2, 'test.test', $3)";
    let values = [repository.into(), domain::DEFAULT.into(), repository.to_string().into()];
    bench.pulp.db.execute_raw(db::sql(sql, values)).await.unwrap();
    repository
}

async fn unit(bench: &Bench, pulp_type: &str) -> Uuid {
    let unit = Uuid::now_v7();
    let sql = "INSERT INTO content (pulp_id, pulp_domain_id, pulp_type) VALUES ($1, $2, $3)";
    bench
        .pulp
        .db
        .execute_raw(db::sql(sql, [unit.into(), domain::DEFAULT.into(), pulp_type.into()]))
        .await
        .unwrap();
    unit
}

async fn random_history(bench: &Bench, random: &mut StdRng) {
    let repository = repository(bench).await;
    let mut units = Vec::new();
    for _ in 0..12 {
        units.push(unit(bench, "test.unit").await);
    }
    let mut model = Model { versions: BTreeMap::from([(0, Units::new())]), next: 1 };
    for _ in 0..40 {
        let numbers: Vec<i32> = model.versions.keys().copied().collect();
        let one = numbers[random.random_range(0..numbers.len())];
        if random.random_ratio(1, 3) {
            let deleted = DeleteVersion { repository, model: KIND.model(), number: one };
            let outcome = deleted.run(context(bench).await).await;
            assert_eq!(outcome.is_ok(), numbers.len() > 1, "{outcome:?}");
            if outcome.is_ok() {
                model.versions.remove(&one);
            }
        } else {
            let base_version = random.random_ratio(1, 4).then_some(one);
            let remove = match random.random_ratio(1, 6) {
                true => Removal::All,
                false => Removal::Units(some_of(&units, random)),
            };
            let add = some_of(&units, random);
            model.modify(base_version, &remove, &add);
            let model = KIND.model();
            let base_version = base_version.map(|number| Base { repository, number });
            let modify = AddAndRemove { repository, model, add, remove, base_version, overwrite: true };
            modify.run(context(bench).await).await.unwrap();
        }
        compare(bench, repository, &model).await;
    }
}

fn some_of(units: &[Uuid], random: &mut StdRng) -> Vec<Uuid> {
    units.iter().copied().filter(|_| random.random_ratio(1, 4)).collect()
}

async fn compare(bench: &Bench, repository: Uuid, model: &Model) {
    let sql = "SELECT number, content_counts, ARRAY(
                   SELECT content_id FROM repository_content AS held
                   WHERE held.repository_id = $1 AND version_added <= number
                     AND (version_removed IS NULL OR version_removed > number)) AS units
               FROM repository_version WHERE repository_id = $1 AND complete ORDER BY number";
    let rows = bench.pulp.db.query_all_raw(db::sql(sql, [repository.into()])).await.unwrap();
    let mut found = BTreeMap::new();
    let mut before = Units::new();
    for row in rows {
        let units: Vec<Uuid> = row.try_get("", "units").unwrap();
        let set = Units::from_iter(units.iter().copied());
        assert_eq!(set.len(), units.len(), "a unit is in a version once");
        let number: i32 = row.try_get("", "number").unwrap();
        let counts: Value = row.try_get("", "content_counts").unwrap();
        assert_eq!(counts["present"], count(set.len()), "version {number}: {model:?}");
        if !found.is_empty() {
            assert_eq!(
                counts["added"],
                count(set.difference(&before).count()),
                "version {number}: {model:?}"
            );
            assert_eq!(
                counts["removed"],
                count(before.difference(&set).count()),
                "version {number}: {model:?}"
            );
        }
        before = set.clone();
        found.insert(number, set);
    }
    assert_eq!(found, model.versions);
}

fn count(number: usize) -> Value {
    if number == 0 { json!({}) } else { json!({"test.unit": number}) }
}

/// The context of a task that is running, as far as the database knows.
async fn context(bench: &Bench) -> TaskContext {
    let claim = Claim { task: Uuid::now_v7(), worker: Uuid::now_v7(), token: Uuid::now_v7() };
    let sql = "INSERT INTO task (pulp_id, pulp_domain_id, name, state, worker_id, claim_token)
               VALUES ($1, $2, 'test', 'running', $3, $4)";
    let values = [claim.task.into(), domain::DEFAULT.into(), claim.worker.into(), claim.token.into()];
    bench.pulp.db.execute_raw(db::sql(sql, values)).await.unwrap();
    let origin =
        Origin { domain: domain::DEFAULT, user: None, logging_cid: String::new(), parent: None, group: None };
    let directory = bench.pulp.settings.working_directory.clone();
    TaskContext::new(bench.dispatcher.clone(), claim, origin, directory, Default::default(), repositories())
}
