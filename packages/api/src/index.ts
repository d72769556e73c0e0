// The public door of the API.
export { type App, createApp } from "./app.ts"
export { DEFAULT_PORT, type Served, type ServeOptions, serve } from "./serve.ts"
