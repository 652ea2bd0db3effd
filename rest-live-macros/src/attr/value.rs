//! The values of arguments. Each mistake names the argument and shows an example of its value.

use syn::{Expr, ExprLit, ExprPath, Lit, LitBool, LitStr, Meta, MetaNameValue, Path};

use crate::{column::is_column, text::to_text};

/// A rank, with the place it was written at.
#[derive(Clone)]
pub(crate) struct Rank {
    pub(crate) value: i32,
    pub(crate) expr: Expr,
}

pub(super) fn expect_value<'m>(meta: &'m Meta, example: &str) -> syn::Result<&'m Expr> {
    match meta {
        Meta::NameValue(MetaNameValue { value, .. }) => Ok(value),
        _ => {
            let name = to_text(meta.path());
            Err(syn::Error::new_spanned(
                meta,
                format!("`{name}` takes a value: write `{name} = {example}`"),
            ))
        }
    }
}

pub(super) fn mismatch_error(meta: &Meta, at: &Expr, example: &str) -> syn::Error {
    syn::Error::new_spanned(at, format!("write `{} = {example}`", to_text(meta.path())))
}

/// Returns the column that was meant where it was written without quotes, or some column.
pub(super) fn quote_column(meta: &Meta) -> String {
    let column = match meta {
        Meta::NameValue(MetaNameValue {
            value: Expr::Path(value),
            ..
        }) => to_text(value),
        _ => String::new(),
    };
    let column = if is_column(&column) {
        &column
    } else {
        "list_id"
    };
    format!("{column:?}")
}

pub(super) fn parse_string(meta: &Meta, example: &str) -> syn::Result<LitStr> {
    match expect_value(meta, example)? {
        Expr::Lit(ExprLit {
            lit: Lit::Str(string),
            ..
        }) => Ok(string.clone()),
        other => Err(mismatch_error(meta, other, example)),
    }
}

pub(super) fn parse_boolean(meta: &Meta) -> syn::Result<LitBool> {
    match expect_value(meta, "false")? {
        Expr::Lit(ExprLit {
            lit: Lit::Bool(boolean),
            ..
        }) => Ok(boolean.clone()),
        other => Err(mismatch_error(meta, other, "false")),
    }
}

/// A path, bare or, as SeaORM and serde write theirs, in a string.
pub(super) fn parse_path(meta: &Meta, example: &str) -> syn::Result<Path> {
    let value = expect_value(meta, example)?;
    match value {
        Expr::Path(ExprPath {
            path, qself: None, ..
        }) => Ok(path.clone()),
        Expr::Lit(ExprLit {
            lit: Lit::Str(string),
            ..
        }) => string
            .parse()
            .map_err(|_| mismatch_error(meta, value, example)),
        other => Err(mismatch_error(meta, other, example)),
    }
}

pub(super) fn parse_rank(meta: &Meta) -> syn::Result<Rank> {
    let expr = expect_value(meta, "1")?;
    // Also `-1`, which is an expression of two tokens.
    let value = to_text(expr)
        .replace(' ', "")
        .parse()
        .map_err(|_| mismatch_error(meta, expr, "1"))?;
    Ok(Rank {
        value,
        expr: expr.clone(),
    })
}
