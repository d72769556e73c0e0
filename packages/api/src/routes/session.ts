// GET and POST /login, and /?token=…: how a browser shows the token once and is known from then on. GET /api/session: what it may do.
import { same } from "@rectify/http"
import { Elysia, t } from "elysia"
import { ApiError } from "../errors.ts"
import { type Access, cookieFor, signedIn } from "../guard.ts"
import { Session } from "../schemas.ts"

export const session = (access: Access, trains: boolean) =>
  new Elysia()
    .get(
      "/api/session",
      ({ request }) => ({
        signed_in: signedIn(access, request),
        has_token: access.token !== undefined,
        trains,
      }),
      {
        response: { 200: Session },
        detail: { summary: "Whether this caller may steer, and whether a trainer is here", tags: ["server"] },
      },
    )
    .get("/login", ({ query: { token }, request }) => welcome(access, request, token), {
      query: t.Object({ token: t.Optional(t.String({ maxLength: 1000 })) }),
      detail: { hide: true },
    })
    .post(
      "/login",
      ({ body: { token }, request }) => {
        const asked = request.headers.get("accept")?.includes("application/json")
        if (!asked) return welcome(access, request, token)
        if (!accepted(access, token))
          throw new ApiError(401, "wrong_token", "that is not the token", "train and serve print it")
        return Response.json({ signed_in: true }, { headers: signing(access, request) })
      },
      { body: t.Object({ token: t.String({ maxLength: 1000 }) }), detail: { hide: true } },
    )

/** The answer to a token given in a browser, right, wrong or missing. */
export function welcome(access: Access, request: Request, given: string | undefined): Response {
  if (!accepted(access, given))
    return html(401, form(given === undefined ? "" : "That is not the token."), {})
  // A page rather than a redirect: to a redirect that began on another site, browsers do not send a strict cookie.
  return html(200, `<meta http-equiv="refresh" content="0;url=/"><p>Signed in. <a href="/">Go on</a></p>`, {
    ...signing(access, request),
  })
}

const accepted = ({ token }: Access, given: string | undefined) =>
  token !== undefined && given !== undefined && same(given.trim(), token)

const signing = ({ token }: Access, request: Request) => ({
  "set-cookie": cookieFor(token!, new URL(request.url).protocol === "https:"),
})

const html = (status: number, content: string, headers: Record<string, string>) =>
  new Response(
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Rectify</title><link rel="icon" href="data:,"><style>${STYLE}</style><main>${content}</main></html>`,
    { status, headers: { "content-type": "text/html; charset=utf-8", ...headers } },
  )

const form = (complaint: string) => `<h1>Rectify</h1>
<form method="post" action="/login"><p role="alert">${complaint}</p>
<label for="token">Token</label><input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<p>The train or serve command prints it when it starts.</p><button>Sign in</button></form>`

const STYLE = `:root{color-scheme:light dark}body{margin:0;display:grid;place-items:center;min-height:100vh;font:16px/1.5 Inter,system-ui,sans-serif;
background:light-dark(#f6f7f9,#101216);color:light-dark(#16181d,#e9ebef)}main{width:min(22rem,90vw)}h1{font-size:1.4rem}
label{display:block;font-weight:600}input,button{font:inherit;width:100%;box-sizing:border-box;padding:.6rem .8rem;border-radius:8px;border:1px solid light-dark(#8b919b,#626974);
background:light-dark(#fff,#181b20);color:inherit}button{background:light-dark(#2457c5,#8ab0ff);color:light-dark(#fff,#101216);border:0;font-weight:600;cursor:pointer}
p{color:light-dark(#59606b,#a3aab5)}p[role=alert]:not(:empty){color:light-dark(#b3261e,#ff9a92)}p[role=alert]:empty{display:none}`
