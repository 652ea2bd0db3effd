//! The part of SeaORM's connection traits that a live connection and a live transaction have in
//! common: every statement goes to the `inner` one as it is.

/// Implements `ConnectionTrait`, `StreamTrait` and the beginning of transactions for a type with
/// the fields `inner` and `scope`.
macro_rules! delegate {
    ($live:ty, $inner:ty) => {
        #[::async_trait::async_trait]
        impl ::sea_orm::ConnectionTrait for $live {
            fn get_database_backend(&self) -> ::sea_orm::DbBackend {
                $crate::capture::probe::answer(&self.scope);
                ::sea_orm::ConnectionTrait::get_database_backend(&self.inner)
            }

            async fn execute_raw(
                &self,
                statement: ::sea_orm::Statement,
            ) -> Result<::sea_orm::ExecResult, ::sea_orm::DbErr> {
                self.inner.execute_raw(statement).await
            }

            async fn execute_unprepared(
                &self,
                sql: &str,
            ) -> Result<::sea_orm::ExecResult, ::sea_orm::DbErr> {
                self.inner.execute_unprepared(sql).await
            }

            async fn query_one_raw(
                &self,
                statement: ::sea_orm::Statement,
            ) -> Result<Option<::sea_orm::QueryResult>, ::sea_orm::DbErr> {
                self.inner.query_one_raw(statement).await
            }

            async fn query_all_raw(
                &self,
                statement: ::sea_orm::Statement,
            ) -> Result<Vec<::sea_orm::QueryResult>, ::sea_orm::DbErr> {
                self.inner.query_all_raw(statement).await
            }

            fn support_returning(&self) -> bool {
                self.inner.support_returning()
            }

            fn is_mock_connection(&self) -> bool {
                self.inner.is_mock_connection()
            }
        }

        impl ::sea_orm::StreamTrait for $live {
            type Stream<'a> = <$inner as ::sea_orm::StreamTrait>::Stream<'a>;

            fn get_database_backend(&self) -> ::sea_orm::DbBackend {
                ::sea_orm::ConnectionTrait::get_database_backend(&self.inner)
            }

            fn stream_raw<'a>(
                &'a self,
                statement: ::sea_orm::Statement,
            ) -> ::std::pin::Pin<
                Box<
                    dyn ::std::future::Future<Output = Result<Self::Stream<'a>, ::sea_orm::DbErr>>
                        + Send
                        + 'a,
                >,
            > {
                self.inner.stream_raw(statement)
            }
        }

        #[::async_trait::async_trait]
        impl ::sea_orm::TransactionTrait for $live {
            type Transaction = $crate::capture::LiveTransaction;

            async fn begin(&self) -> Result<Self::Transaction, ::sea_orm::DbErr> {
                Ok($crate::capture::LiveTransaction::new(
                    self.inner.begin().await?,
                    &self.scope,
                ))
            }

            async fn begin_with_config(
                &self,
                isolation_level: Option<::sea_orm::IsolationLevel>,
                access_mode: Option<::sea_orm::AccessMode>,
            ) -> Result<Self::Transaction, ::sea_orm::DbErr> {
                let inner = self
                    .inner
                    .begin_with_config(isolation_level, access_mode)
                    .await?;
                Ok($crate::capture::LiveTransaction::new(inner, &self.scope))
            }

            async fn begin_with_options(
                &self,
                options: ::sea_orm::TransactionOptions,
            ) -> Result<Self::Transaction, ::sea_orm::DbErr> {
                let inner = self.inner.begin_with_options(options).await?;
                Ok($crate::capture::LiveTransaction::new(inner, &self.scope))
            }

            async fn transaction<F, T, E>(
                &self,
                callback: F,
            ) -> Result<T, ::sea_orm::TransactionError<E>>
            where
                F: for<'c> FnOnce(
                        &'c Self::Transaction,
                    ) -> ::std::pin::Pin<
                        Box<dyn ::std::future::Future<Output = Result<T, E>> + Send + 'c>,
                    > + Send,
                T: Send,
                E: ::std::fmt::Display + ::std::fmt::Debug + Send,
            {
                self.begin().await?.run(callback).await
            }

            async fn transaction_with_config<F, T, E>(
                &self,
                callback: F,
                isolation_level: Option<::sea_orm::IsolationLevel>,
                access_mode: Option<::sea_orm::AccessMode>,
            ) -> Result<T, ::sea_orm::TransactionError<E>>
            where
                F: for<'c> FnOnce(
                        &'c Self::Transaction,
                    ) -> ::std::pin::Pin<
                        Box<dyn ::std::future::Future<Output = Result<T, E>> + Send + 'c>,
                    > + Send,
                T: Send,
                E: ::std::fmt::Display + ::std::fmt::Debug + Send,
            {
                self.begin_with_config(isolation_level, access_mode)
                    .await?
                    .run(callback)
                    .await
            }
        }

        impl $live {
            /// Runs a closure in a transaction: commits when it returns `Ok`, rolls back otherwise.
            /// The twin of SeaORM's inherent method, for `async` closures.
            ///
            /// # Errors
            /// The closure's error, or that of beginning, committing or rolling back.
            pub async fn transaction_async<F, T, E>(
                &self,
                callback: F,
            ) -> Result<T, ::sea_orm::TransactionError<E>>
            where
                F: for<'c> AsyncFnOnce(&'c $crate::capture::LiveTransaction) -> Result<T, E> + Send,
                T: Send,
                E: ::std::fmt::Display + ::std::fmt::Debug + Send,
            {
                let transaction = ::sea_orm::TransactionTrait::begin(self).await?;
                let result = callback(&transaction).await;
                transaction.finish(result).await
            }

            /// Returns SeaORM's own: for what asks for that very type, such as a migration. What is
            /// written through it is not captured.
            pub fn inner(&self) -> &$inner {
                &self.inner
            }
        }
    };
}

pub(super) use delegate;
