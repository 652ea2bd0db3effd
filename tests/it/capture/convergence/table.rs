//! The table of the cards, and what counts their lives and versions in each database.

use sea_orm::{ActiveValue, ConnectionTrait, DatabaseConnection, NotSet, Schema, Set};

use super::card::{self, BY_DATABASE};
use crate::support::Engine;

/// Keys that nobody chooses are larger than this.
pub const CHOSEN: i32 = 1_000_000;

/// SQLite shows no change of a trigger to `RETURNING`, so that its statements set the numbers themselves, each in
/// one expression. That is in order, since a statement that writes is alone from its beginning.
const SQLITE: &[&str] = &[
    "CREATE TABLE births (n integer NOT NULL)",
    "INSERT INTO births VALUES (0)",
    "CREATE TRIGGER card_is_born AFTER INSERT ON card BEGIN UPDATE births SET n = n + 1; END",
    "INSERT INTO sqlite_sequence VALUES ('card', 1000000)",
];

/// A birth locks the number of its key until the transaction ends: the next one waits, as the number of a sequence
/// would not. The trigger of an update runs when its row is locked.
const POSTGRES: &[&str] = &[
    "CREATE TABLE births (id integer PRIMARY KEY, n bigint NOT NULL)",
    "CREATE FUNCTION count_card() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       IF TG_OP = 'UPDATE' THEN
         NEW.version := OLD.version + 1;
       ELSE
         INSERT INTO births AS b VALUES (NEW.id, 1)
           ON CONFLICT (id) DO UPDATE SET n = b.n + 1 RETURNING b.n INTO NEW.born;
       END IF;
       RETURN NEW;
     END $$",
    "CREATE TRIGGER count_card BEFORE INSERT OR UPDATE ON card FOR EACH ROW EXECUTE FUNCTION count_card()",
    "SELECT setval(pg_get_serial_sequence('card', 'id'), 1000000)",
    // Of a second, which is long when it comes a hundred times.
    "ALTER SYSTEM SET deadlock_timeout = '20ms'",
    "SELECT pg_reload_conf()",
];

/// As PostgreSQL. A key that nobody chose is 0 still, and has one life. An update that sets nothing new leaves the
/// version: only then it is one that InnoDB does not carry out.
const MARIADB: &[&str] = &[
    "CREATE TABLE births (id integer PRIMARY KEY, n bigint NOT NULL)",
    "CREATE TRIGGER card_is_born BEFORE INSERT ON card FOR EACH ROW
     IF NEW.id > 0 THEN
       INSERT INTO births VALUES (NEW.id, 1) ON DUPLICATE KEY UPDATE n = n + 1;
       SET NEW.born = (SELECT n FROM births WHERE id = NEW.id);
     END IF",
    "CREATE TRIGGER card_changes BEFORE UPDATE ON card FOR EACH ROW
     IF NEW.list_id <> OLD.list_id OR NEW.text <> OLD.text THEN
       SET NEW.version = OLD.version + 1;
     END IF",
    "ALTER TABLE card AUTO_INCREMENT = 1000001",
];

/// Creates it.
pub async fn create(db: &DatabaseConnection, engine: Engine) {
    let schema = Schema::new(db.get_database_backend());
    db.execute(&schema.create_table_from_entity(card::Entity))
        .await
        .unwrap();
    let statements = match engine {
        Engine::Sqlite => SQLITE,
        Engine::Postgres => POSTGRES,
        Engine::MariaDb => MARIADB,
    };
    for statement in statements {
        db.execute_unprepared(statement).await.unwrap();
    }
}

/// Returns what a model gives for a number that the database counts.
pub fn counted(engine: Engine) -> ActiveValue<i64> {
    match engine {
        Engine::Sqlite => Set(BY_DATABASE),
        Engine::Postgres | Engine::MariaDb => NotSet,
    }
}
