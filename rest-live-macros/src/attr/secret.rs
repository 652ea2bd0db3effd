//! `secret = ["password_hash"]`: the columns that stay in the process.

use std::collections::HashSet;

use heck::ToSnakeCase;
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, ExprArray, ExprLit, Lit, LitStr, Meta};

use super::value::{expect_value, mismatch_error};
use crate::{column::is_column, text::to_text};

const EXAMPLE: &str = r#"["password_hash"]"#;

/// Columns of the model, as they were written.
#[derive(Clone)]
pub(crate) struct Secret {
    pub(crate) columns: Vec<LitStr>,
    array: ExprArray,
}

impl ToTokens for Secret {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.array.to_tokens(tokens);
    }
}

impl Secret {
    /// Reads the argument's value. All its mistakes are one error, each at its element.
    pub(super) fn parse(meta: &Meta) -> syn::Result<Self> {
        let array = match expect_value(meta, EXAMPLE)? {
            Expr::Array(array) => array.clone(),
            // A lone column is meant as the only one.
            Expr::Lit(ExprLit {
                lit: Lit::Str(column),
                ..
            }) if is_column(&column.value()) => {
                let example = format!("[{}]", to_text(column));
                return Err(syn::Error::new_spanned(
                    column,
                    format!("columns stand in an array: write `secret = {example}`"),
                ));
            }
            other => return Err(mismatch_error(meta, other, EXAMPLE)),
        };
        if array.elems.is_empty() {
            return Err(syn::Error::new_spanned(
                &array,
                format!(
                    "which columns? Write `secret = {EXAMPLE}`, or leave it out where there are none"
                ),
            ));
        }
        let mut columns = Vec::new();
        let mut seen = HashSet::new();
        let mut errors: Option<syn::Error> = None;
        for element in &array.elems {
            let column = parse_column(element).and_then(|column| {
                if seen.insert(column.value()) {
                    Ok(column)
                } else {
                    Err(syn::Error::new_spanned(
                        &column,
                        format!("`{}` is given twice: keep one", column.value()),
                    ))
                }
            });
            match (column, &mut errors) {
                (Ok(column), _) => columns.push(column),
                (Err(error), Some(errors)) => errors.combine(error),
                (Err(error), None) => errors = Some(error),
            }
        }
        match errors {
            Some(errors) => Err(errors),
            None => Ok(Self { columns, array }),
        }
    }
}

/// Reads one element. Whether the model has such a column is the compiler's to say, at the same place.
fn parse_column(element: &Expr) -> syn::Result<LitStr> {
    let message = match element {
        Expr::Lit(ExprLit {
            lit: Lit::Str(column),
            ..
        }) => match column.value() {
            name if name.starts_with(char::is_uppercase) && is_column(&name) => format!(
                "a secret is the name of a column's field in the model: write `\"{}\"`",
                name.to_snake_case()
            ),
            name if is_column(&name) => return Ok(column.clone()),
            _ => "a secret is the name of a column's field in the model: write `\"password_hash\"`"
                .to_owned(),
        },
        Expr::Path(name) if is_column(&to_text(name)) => {
            format!("a column stands in quotes: write `\"{}\"`", to_text(name))
        }
        _ => "a column stands in quotes: write `\"password_hash\"`".to_owned(),
    };
    Err(syn::Error::new_spanned(element, message))
}
