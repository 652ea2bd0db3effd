//! The types of PostgreSQL.

use rest_live::log::MemoryLog;
use rest_live_outbox::{OutboxLog, migration::Outbox};
use rest_live_redis::RedisLog;
use sea_orm::{ActiveValue::Set, entity::prelude::*};
use sea_orm_migration::{MigrationTrait, SchemaManager};
use serde::{Deserialize, Serialize};

use super::{Table, compare};
use crate::support::Engine;

pub mod sample {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, DeriveEntityModel)]
    #[sea_orm(table_name = "sample")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub version: i32,
        pub flag: bool,
        pub small: i16,
        pub big: i64,
        pub unsigned_integer: u32,
        pub object_id: u32,
        pub real: f32,
        pub double: f64,
        pub text: String,
        #[sea_orm(
            column_type = "custom(\"citext\")",
            select_as = "text",
            save_as = "citext"
        )]
        pub any_case: String,
        #[sea_orm(column_type = "Char(Some(5))")]
        pub padded: String,
        pub bytes: Vec<u8>,
        #[sea_orm(column_type = "Json")]
        pub json: Json,
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub jsonb: Option<Json>,
        #[sea_orm(column_type = "JsonBinary")]
        pub object: Object,
        pub uuid: Uuid,
        pub uuid_braced: uuid::fmt::Braced,
        pub uuid_hyphenated: uuid::fmt::Hyphenated,
        pub uuid_simple: uuid::fmt::Simple,
        pub uuid_urn: uuid::fmt::Urn,
        #[serde(serialize_with = "crate::columns::debug")]
        pub uuid_text: TextUuid,
        pub chrono_date: ChronoDate,
        pub chrono_time: ChronoTime,
        pub chrono_date_time: ChronoDateTime,
        pub chrono_utc: ChronoDateTimeUtc,
        pub chrono_local: ChronoDateTimeLocal,
        pub chrono_zone: ChronoDateTimeWithTimeZone,
        #[serde(serialize_with = "crate::columns::debug")]
        pub chrono_unix: ChronoUnixTimestamp,
        pub time_date: TimeDate,
        pub time_time: TimeTime,
        pub time_date_time: TimeDateTime,
        pub time_zone: TimeDateTimeWithTimeZone,
        #[serde(serialize_with = "crate::columns::debug")]
        pub time_unix: TimeUnixTimestampMillis,
        pub decimal: Decimal,
        #[sea_orm(column_type = "Decimal(None)")]
        pub big_decimal: BigDecimal,
        pub kind: Kind,
        pub typed_kind: TypedKind,
        pub word: Word,
        pub level: Level,
        pub integers: Vec<i32>,
        pub texts: Vec<String>,
        pub doubles: Vec<f64>,
        pub reals: Option<Vec<f32>>,
        pub decimals: Vec<Decimal>,
        pub big_decimals: Vec<BigDecimal>,
        pub byte_strings: Vec<Vec<u8>>,
        pub jsons: Vec<Json>,
        pub uuids: Vec<Uuid>,
        pub instants: Vec<ChronoDateTimeUtc>,
        pub time_instants: Vec<TimeDateTimeWithTimeZone>,
        pub kinds: Vec<Kind>,
        pub typed_kinds: Vec<TypedKind>,
        pub words: Vec<Word>,
        #[sea_orm(column_type = "custom(\"bigint[]\")")]
        pub custom_bigs: Vec<i64>,
        #[sea_orm(column_type = "custom(\"text[]\")", nullable)]
        pub custom_texts: Option<Vec<String>>,
        pub address: IpNetwork,
        #[sea_orm(column_type = "Cidr")]
        pub network: IpNetwork,
        pub addresses: Vec<IpNetwork>,
        pub hardware: mac_address::MacAddress,
        #[sea_orm(column_type = "Interval(None, None)", select_as = "text")]
        pub span: String,
        #[sea_orm(column_type = "Money(None)", select_as = "numeric")]
        pub price: Decimal,
        #[sea_orm(column_type = "custom(\"bit(16)\")", select_as = "bigint")]
        pub bits: i64,
        #[sea_orm(column_type = "Timestamp", select_as = "text", nullable)]
        pub stamp: Option<String>,
        pub vector: PgVector,
        pub maybe_vector: Option<PgVector>,
        pub maybe_kind: Option<Kind>,
        pub maybe_zone: Option<TimeDateTimeWithTimeZone>,
        pub maybe_decimal: Option<Decimal>,
        pub doubled: i32,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, FromJsonQueryResult)]
    pub struct Object {
        pub score: f64,
        pub label: Option<String>,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "String", db_type = "Enum", enum_name = "kind")]
    pub enum Kind {
        #[sea_orm(string_value = "one")]
        One,
        #[sea_orm(string_value = "two \"2\"")]
        Two,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "Enum", db_type = "Enum", enum_name = "kind")]
    pub enum TypedKind {
        #[sea_orm(string_value = "one")]
        One,
        #[sea_orm(string_value = "two \"2\"")]
        Two,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "String", db_type = "Text")]
    pub enum Word {
        #[sea_orm(string_value = "yes")]
        Yes,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
    pub enum Level {
        #[sea_orm(num_value = -3)]
        Low,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

super::serializer!(SampleSerializer, "it.Sample", sample);

/// Debian has no package of pgvector for PostgreSQL 15. This type has pgvector's name, binary
/// format and cast to JSON.
const VECTOR: &str = "CREATE TYPE vector;
CREATE FUNCTION vector_in(cstring) RETURNS vector LANGUAGE internal IMMUTABLE STRICT AS 'byteain';
CREATE FUNCTION vector_out(vector) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'byteaout';
CREATE FUNCTION vector_recv(internal) RETURNS vector LANGUAGE internal IMMUTABLE STRICT AS 'bytearecv';
CREATE FUNCTION vector_send(vector) RETURNS bytea LANGUAGE internal IMMUTABLE STRICT AS 'byteasend';
CREATE TYPE vector (INPUT = vector_in, OUTPUT = vector_out, RECEIVE = vector_recv, SEND = vector_send, LIKE = bytea);
CREATE FUNCTION vector_json(vector) RETURNS json LANGUAGE sql IMMUTABLE STRICT AS $$ \
SELECT CASE pg_catalog.encode(public.vector_send($1), 'hex') \
WHEN '000200003f800000c0200000' THEN '\"[1,-2.5]\"' ELSE '\"[]\"' END::json $$;
CREATE CAST (vector AS json) WITH FUNCTION vector_json(vector)";

pub const TABLE: Table = Table {
    definitions: DEFINITIONS,
    columns: COLUMNS,
};

const DEFINITIONS: &str =
    "CREATE EXTENSION citext;
CREATE TYPE kind AS ENUM ('one', 'two \"2\"');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE sample (id int PRIMARY KEY, version int NOT NULL, flag bool NOT NULL, small smallint NOT NULL, \
big bigint NOT NULL, unsigned_integer positive NOT NULL, object_id oid NOT NULL, \"real\" real NOT NULL, \
\"double\" double precision NOT NULL, \
text text NOT NULL, any_case citext NOT NULL, padded char(5) NOT NULL, bytes bytea NOT NULL, json json NOT NULL, \
jsonb jsonb, object jsonb NOT NULL, uuid uuid NOT NULL, uuid_braced uuid NOT NULL, uuid_hyphenated uuid NOT NULL, \
uuid_simple uuid NOT NULL, uuid_urn uuid NOT NULL, uuid_text text NOT NULL, chrono_date date NOT NULL, \
chrono_time time NOT NULL, chrono_date_time timestamp NOT NULL, chrono_utc timestamptz NOT NULL, \
chrono_local timestamptz NOT NULL, chrono_zone timestamptz NOT NULL, chrono_unix bigint NOT NULL, \
time_date date NOT NULL, time_time time NOT NULL, time_date_time timestamp NOT NULL, \
time_zone timestamptz NOT NULL, time_unix bigint NOT NULL, \"decimal\" numeric NOT NULL, big_decimal numeric NOT NULL, \
kind kind NOT NULL, typed_kind kind NOT NULL, word text NOT NULL, level smallint NOT NULL, integers int[] NOT NULL, texts text[] NOT NULL, \
doubles double precision[] NOT NULL, reals real[], decimals numeric[] NOT NULL, big_decimals numeric[] NOT NULL, \
byte_strings bytea[] NOT NULL, \
jsons jsonb[] NOT NULL, uuids uuid[] NOT NULL, instants timestamptz[] NOT NULL, time_instants timestamptz[] NOT NULL, \
kinds kind[] NOT NULL, typed_kinds kind[] NOT NULL, words text[] NOT NULL, custom_bigs bigint[] NOT NULL, custom_texts text[], address inet NOT NULL, \
network cidr NOT NULL, addresses inet[] NOT NULL, hardware macaddr NOT NULL, span interval NOT NULL, price money NOT NULL, \
bits bit(16) NOT NULL, stamp timestamp, vector vector NOT NULL, maybe_vector vector, maybe_kind kind, \
maybe_zone timestamptz, maybe_decimal numeric, doubled int NOT NULL GENERATED ALWAYS AS (version * 2) STORED)";

/// Some of these need an exact parser.
const DOUBLES: &[&str] = &[
    "0.1",
    "'NaN'",
    "'Infinity'",
    "'-Infinity'",
    "1e300",
    "-0.0",
    "0.30000000000000004",
    "5e-324",
    "1.7976931348623157e308",
    "3.141592653589793",
    "0.0022250738585072011",
];
const INSTANTS: &[&str] = &[
    "'2024-05-01 12:00:00+02'",
    "'2024-02-29 23:59:59.999999+00'",
    "'0001-01-01 00:00:00+00'",
    "'1999-12-31 23:30:00-05:30'",
];
const DATES: &[&str] = &["'2024-02-29'", "'0001-01-01'", "'9999-12-31'"];
const TIMES: &[&str] = &["'12:30:00'", "'23:59:59.999999'", "'00:00:00'"];
const STAMPS: &[&str] = &["'2024-05-01 12:00:00'", "'2024-12-31 23:59:59.5'"];
const UUIDS: &[&str] = &["'67e55044-10b1-426f-9247-bb680e5fe0c8'"];
const DECIMALS: &[&str] = &[
    "1.50",
    "0.00",
    "-12345678901234567890.12345678",
    "10000",
    "0.00010000",
    "100",
    "120000.5",
    "99999999.99",
];
const JSONS: &[&str] = &[
    r#"'{"b": 1, "a": [1.10, 1e2, null, "x\"é"], "z": 0.1234567890123456789}'"#,
    "'null'",
    "'[]'",
    "'7'",
    r#"'[0.30000000000000004, 2.2250738585072011e-308, 9007199254740993]'"#,
];

const COLUMNS: &[(&str, &[&str])] = &[
    ("flag", &["true", "false"]),
    ("small", &["-32768", "7"]),
    ("big", &["-9223372036854775808", "9223372036854775807"]),
    ("unsigned_integer", &["7", "2147483647"]),
    ("object_id", &["7", "4294967295"]),
    ("\"real\"", DOUBLES_OF_REAL),
    ("\"double\"", DOUBLES),
    ("text", &["'a \"b\" \\ ü 🦀'", "''", "E'\\n\\t'"]),
    ("any_case", &["'AbC'"]),
    ("padded", &["'ab'"]),
    ("bytes", &[r"'\x00ff10'", "''", r"'a\\b\\x'"]),
    ("json", JSONS),
    (
        "jsonb",
        &["NULL", r#"'{"b":0.1234567890123456789}'"#, "'[1]'"],
    ),
    (
        "object",
        &[
            r#"'{"score": 0.1}'"#,
            r#"'{"label": "x", "score": 0.30000000000000004}'"#,
        ],
    ),
    ("uuid", UUIDS),
    ("uuid_braced", UUIDS),
    ("uuid_hyphenated", UUIDS),
    ("uuid_simple", UUIDS),
    ("uuid_urn", UUIDS),
    ("uuid_text", UUIDS),
    (
        "chrono_date",
        &["'2024-02-29'", "'0044-03-15 BC'", "'12024-01-01'"],
    ),
    ("chrono_time", TIMES),
    ("chrono_date_time", STAMPS),
    ("chrono_utc", INSTANTS),
    ("chrono_local", INSTANTS),
    (
        "chrono_zone",
        &[
            "'2024-05-01 12:00:00+02'",
            "'0044-03-15 12:00:00+00 BC'",
            "'12024-01-01 00:00:00+00'",
        ],
    ),
    ("chrono_unix", &["1700000000"]),
    ("time_date", DATES),
    ("time_time", TIMES),
    ("time_date_time", STAMPS),
    ("time_zone", INSTANTS),
    ("time_unix", &["1700000000123"]),
    ("\"decimal\"", DECIMALS),
    ("big_decimal", DECIMALS),
    ("kind", &["'one'", "'two \"2\"'"]),
    ("typed_kind", &["'one'", "'two \"2\"'"]),
    ("word", &["'yes'"]),
    ("level", &["-3"]),
    ("integers", &["'{1,2}'", "'{}'"]),
    ("texts", &["'{a,\"b \\\"c\\\"\"}'", "'{}'"]),
    (
        "doubles",
        &[
            "'{0.1,NaN,Infinity,-Infinity,0.30000000000000004}'",
            "'{}'",
            "'{1}'",
        ],
    ),
    ("reals", &["'{0.1,NaN}'", "NULL", "'{}'"]),
    ("decimals", &["'{1.50,0.00}'", "'{}'"]),
    ("big_decimals", &["'{1.50,10000}'", "'{}'"]),
    ("byte_strings", &[r#"'{"\\x00ff",""}'"#]),
    ("jsons", &[r#"array['{"a":[1]}','null']::jsonb[]"#, "'{}'"]),
    ("uuids", &["'{67e55044-10b1-426f-9247-bb680e5fe0c8}'"]),
    ("instants", &["'{2024-05-01 12:00:00+02}'"]),
    ("time_instants", &["'{2024-05-01 12:00:00+02}'"]),
    ("kinds", &["'{one,\"two \\\"2\\\"\"}'", "'{}'"]),
    ("typed_kinds", &["'{one,\"two \\\"2\\\"\"}'", "'{}'"]),
    ("words", &["'{yes}'"]),
    ("custom_bigs", &["'{1,9223372036854775807}'", "'{}'"]),
    ("custom_texts", &["'{a}'", "NULL", "'{}'"]),
    ("address", &["'10.0.0.1'", "'10.0.0.0/8'", "'::1'"]),
    ("network", &["'10.0.0.0/8'"]),
    ("addresses", &["'{10.0.0.1,::1/64}'"]),
    ("hardware", &["'08:00:2b:01:02:03'"]),
    ("span", &["'1 year 2 days 03:04:05.5'", "'-1 day'"]),
    ("price", &["'1234.50'", "'-0.01'"]),
    ("bits", &["B'0000000100000001'"]),
    ("stamp", &["'2024-05-01 12:00:00'", "NULL"]),
    ("vector", &[r"'\x000200003f800000c0200000'"]),
    ("maybe_vector", &["NULL", r"'\x000200003f800000c0200000'"]),
    ("maybe_kind", &["NULL", "'one'"]),
    ("maybe_zone", &["NULL", "'2024-05-01 12:00:00+02'"]),
    ("maybe_decimal", &["NULL", "1.50"]),
];

const DOUBLES_OF_REAL: &[&str] = &[
    "0.1",
    "'NaN'",
    "'-Infinity'",
    "16777217",
    "1e-45",
    "3.4028235e38",
];

/// Creates the table, and the type that it needs.
pub async fn create(db: &DatabaseConnection) {
    for sql in VECTOR.split(";\n") {
        db.execute_unprepared(sql).await.unwrap();
    }
    TABLE.create(db).await;
}

pub fn touch(id: i32, version: i32) -> sample::ActiveModel {
    sample::ActiveModel {
        id: Set(id),
        version: Set(version),
        ..Default::default()
    }
}

#[tokio::test]
async fn every_log_carries_every_type() {
    let database = crate::support::TestDatabase::start(Engine::Postgres).await;
    let db = database.connect().await;
    create(&db).await;
    let redis = crate::support::Redis::start().await;
    Outbox.up(&SchemaManager::new(&db)).await.unwrap();
    let log = MemoryLog::default();
    compare::<SampleSerializer, _>("memory", &db, log, &TABLE, touch).await;
    let log = RedisLog::connect(&redis.url()).await.unwrap();
    compare::<SampleSerializer, _>("Redis", &db, log, &TABLE, touch).await;
    let log = OutboxLog::open(db.clone()).await.unwrap();
    compare::<SampleSerializer, _>("outbox", &db, log, &TABLE, touch).await;
}
