//! What clients are told when a request fails: `{"error":"..."}` with the right status.

use std::{convert::Infallible, fmt::Display};

use sea_orm::DbErr;
use serde_json::json;
use warp::{
    Rejection, Reply,
    http::StatusCode,
    reject,
    reply::{Response, json, with_status},
};

/// A request that cannot be done.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    message: String,
}

impl ApiError {
    /// 400: the client sent something wrong.
    pub fn bad(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message: message.into(),
        }
    }

    /// 404: there is no such row, or it is not for this viewer to know.
    pub fn missing(what: impl Display) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            message: format!("there is no {what}"),
        }
    }

    /// 401: sign in first.
    pub fn anonymous() -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            message: "sign in first: POST /api/login".to_owned(),
        }
    }

    /// 403: only members may, of what everybody may see. What one may not see is [`missing`](Self::missing).
    pub fn not_a_member(list: i32) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            message: format!("you are not a member of list {list}"),
        }
    }

    /// 409: this cannot be, as things are.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::CONFLICT,
            message: message.into(),
        }
    }

    /// 500: it is the server's fault.
    pub fn failed() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            message: "the server failed".to_owned(),
        }
    }

    pub fn is_missing(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    pub fn into_response(self) -> Response {
        with_status(json(&json!({ "error": self.message })), self.status).into_response()
    }
}

impl From<DbErr> for ApiError {
    fn from(error: DbErr) -> Self {
        tracing::error!(%error, "the database failed");
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            message: "the database failed".to_owned(),
        }
    }
}

/// Turns what no route took into a response.
pub async fn explain(rejection: Rejection) -> Result<Response, Infallible> {
    let (status, message) = if rejection.is_not_found() {
        (StatusCode::NOT_FOUND, "there is nothing here".to_owned())
    } else if let Some(error) = rejection.find::<reject::PayloadTooLarge>() {
        (StatusCode::PAYLOAD_TOO_LARGE, error.to_string())
    } else if let Some(error) = rejection.find::<reject::LengthRequired>() {
        (StatusCode::LENGTH_REQUIRED, error.to_string())
    } else if let Some(error) = rejection.find::<reject::InvalidQuery>() {
        (StatusCode::BAD_REQUEST, error.to_string())
    } else if rejection.find::<reject::MissingHeader>().is_some()
        || rejection.find::<reject::InvalidHeader>().is_some()
    {
        (
            StatusCode::BAD_REQUEST,
            "this is a websocket: connect with a websocket client".to_owned(),
        )
    } else if rejection.find::<reject::MethodNotAllowed>().is_some() {
        (
            StatusCode::METHOD_NOT_ALLOWED,
            "this method is not for here".to_owned(),
        )
    } else {
        tracing::error!(?rejection, "a request was rejected");
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            "the server failed".to_owned(),
        )
    };
    Ok(ApiError { status, message }.into_response())
}
