// POST /api/runs/:id/control: answered when the trainer has acted, or with why it has not.
import type { Controller, Reader } from "@rectify/store"
import { Elysia, t } from "elysia"
import { ApiError, noSuchRun } from "../errors.ts"
import { ControlBody, ControlDone, ErrorBody } from "../schemas.ts"

export const CONTROL_WAIT_MS = 120_000

export const control = (store: Reader, controller: Controller | undefined, waitMs = CONTROL_WAIT_MS) =>
  new Elysia().post(
    "/api/runs/:id/control",
    async ({ params: { id }, body, request }) => {
      if ((await store.getRun(id)) === undefined) throw noSuchRun(id)
      if (controller === undefined)
        throw new ApiError(
          409,
          "not_trained_here",
          `this server does not train "${id}"`,
          "ask the server of the train command itself; it prints its address",
        )
      const patience = AbortSignal.any([request.signal, AbortSignal.timeout(waitMs)])
      const { done, step, message } = await controller.request(id, body, patience)
      if (!done)
        throw new ApiError(
          409,
          "not_done",
          message,
          `GET /api/runs/${encodeURIComponent(id)} says how it stands`,
        )
      return { run: id, action: body.action, step, message }
    },
    {
      params: t.Object({ id: t.String() }),
      body: ControlBody,
      response: { 200: ControlDone, 400: ErrorBody, 401: ErrorBody, 404: ErrorBody, 409: ErrorBody },
      detail: {
        summary: "Pause, resume, stop, checkpoint, evaluate, or change the learning rate",
        description: `Needs the token. Withdrawn when the trainer has not begun it within ${waitMs / 1000} seconds.`,
        tags: ["control"],
        security: [{ token: [] }],
      },
    },
  )
