//! Creates SeaORM's `ExecResult` for a statement that capture ran as a query.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, MockDatabase, MockExecResult};

/// Creates the result of a statement. Only SeaORM's mock database can construct an `ExecResult`, so
/// this function runs an empty statement on one.
pub(super) async fn exec_result(
    backend: DbBackend,
    rows_affected: u64,
    last_insert_id: u64,
) -> Result<ExecResult, DbErr> {
    let result = MockExecResult {
        last_insert_id,
        rows_affected,
    };
    let mock = MockDatabase::new(backend).append_exec_results([result]);
    mock.into_connection().execute_unprepared("").await
}
