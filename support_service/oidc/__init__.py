"""Who staff are, as the newsroom's own provider says it (OpenID Connect); without [oidc] nothing of it is loaded."""
