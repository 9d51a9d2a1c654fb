import { MediaType, RegistryError } from "@effect-oci/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { execFile } from "node:child_process"
import { blob, blobDigest, fill, image, repository } from "../fixtures.js"
import { head } from "../http.js"
import { answering } from "../probe.js"
import { check, checkLines, run } from "../rows.js"
import { start } from "../servers.js"
import type { Composition, Running } from "../servers.js"
import { begun } from "../uploadSessions.js"

const MiB = 1024 * 1024
const manifestPath = "/v2/team/app/manifests/v2"
const typed = { "content-type": MediaType.image }
const tooLarge = new Uint8Array(5 * MiB).fill(0x20)
const refused = { status: 413, code: "SIZE_INVALID" }

const curl = (port: number, path: string, body: Uint8Array, ...options: ReadonlyArray<string>) =>
  Effect.async<{ readonly code: number; readonly status: string; readonly sent: number; readonly text: string }>(
    (resume) => {
      const url = `http://127.0.0.1:${port}${path}`
      const say = "\n%{http_code} %{size_upload}"
      const child = execFile("curl", [
        "-sS",
        "-m",
        "20",
        "-X",
        "PUT",
        "--data-binary",
        "@-",
        "-w",
        say,
        ...options,
        url
      ], (error, stdout) => {
        const at = stdout.lastIndexOf("\n")
        const [status = "", sent = ""] = stdout.slice(at + 1).split(" ")
        const code = error === null ? 0 : Number(error.code)
        resume(Effect.succeed({ code, status, sent: Number(sent), text: stdout.slice(0, at) }))
      })
      // A refused client need not read the rest.
      child.stdin?.on("error", () => {})
      child.stdin?.end(body)
    }
  )

const nothingStored = (running: Running) =>
  Effect.gen(function*() {
    check(yield* running.ask({ path: "/v2/team/app/tags/list" }), {
      status: 200,
      body: { name: repository, tags: ["v1"] }
    })
    check(yield* running.ask({ path: "/v2/team/app/manifests/v1" }), { status: 200, body: image })
  })

export const bodies = (composition: Composition) => {
  const filled = Effect.gen(function*() {
    const running = yield* start(composition)
    yield* fill(running.registry)
    const before = running.lines.length
    return { ...running, logged: () => running.lines.slice(before) }
  })

  describe("bodies", () => {
    it.scoped.each(
      [
        ["that declares its length", {}],
        ["in chunks", { "transfer-encoding": "chunked" }]
      ] as const
    )(
      "refuses a manifest that is too large %s, and the client receives the answer (rule 69, T36)",
      ([, headers]) =>
        Effect.gen(function*() {
          const running = yield* filled
          const sent = { method: "PUT", path: manifestPath, headers: { ...typed, ...headers }, body: tooLarge }
          yield* run(running, sent, refused)
          yield* nothingStored(running)
        })
    )

    it.scoped.each(
      [
        [
          "that declares its length, and whose connection stays open",
          `Content-Length: ${tooLarge.byteLength}`,
          tooLarge,
          [
            "413",
            "200"
          ]
        ],
        [
          "in chunks, and whose connection ends",
          "Transfer-Encoding: chunked",
          Buffer.concat([
            Buffer.from(`${tooLarge.byteLength.toString(16)}\r\n`),
            tooLarge,
            Buffer.from("\r\n0\r\n\r\n")
          ]),
          ["413"]
        ]
      ] as const
    )(
      "69: a client that does not listen before it has sent a manifest too large %s",
      ([, header, body, statuses]) =>
        Effect.gen(function*() {
          const running = yield* filled
          const connection = yield* running.connect
          connection.socket.on("error", () => {})
          connection.socket.pause()
          yield* connection.write(head("PUT", manifestPath, header))
          yield* connection.write(body)
          yield* connection.write(head("GET", "/v2/team/app/manifests/v1", "Connection: close"))
          connection.socket.resume()
          const text = yield* connection.closed
          expect(text).toContain(`"code":"SIZE_INVALID"`)
          expect(text.match(/(?<=HTTP\/1\.1 )\d+/g)).toEqual(statuses)
          checkLines(running.logged().slice(0, 1))
        })
    )

    it.scoped("closes the connection of an endless body after the answer (rule 69)", () =>
      Effect.gen(function*() {
        const running = yield* filled
        const connection = yield* running.connect
        yield* connection.write(head("PUT", manifestPath, "Transfer-Encoding: chunked"))
        const chunk = Buffer.concat([Buffer.from("10000\r\n"), Buffer.alloc(0x10000, 0x20), Buffer.from("\r\n")])
        connection.socket.on("error", () => {})
        let sent = 0
        while (!connection.socket.destroyed && sent < 200 * MiB) {
          yield* connection.write(chunk)
          sent += 0x10000
        }
        expect(sent).toBeLessThan(100 * MiB)
        expect(connection.text()).toMatch(/^HTTP\/1\.1 413 /)
        yield* nothingStored(running)
      }))

    it.scoped("sends `Connection: close` before it closes, while the client still sends (rule 69)", () =>
      Effect.gen(function*() {
        const running = yield* filled
        const connection = yield* running.connect
        connection.socket.on("error", () => {})
        yield* connection.write(head("PUT", manifestPath, `Content-Length: ${64 * MiB}`))
        yield* connection.write(tooLarge)
        const text = yield* connection.until(/^HTTP\/1\.1 413 [^]*\r\n\r\n\{/)
        expect(text).toMatch(/\r\nconnection: close\r\n/i)
        yield* nothingStored(running)
      }))

    it.scoped.each(
      [
        ["if it may", ["-H", "Expect: 100-continue"]],
        ["without asking", ["-H", "Expect:"]],
        ["in chunks", ["-H", "Expect:", "-H", "Transfer-Encoding: chunked"]]
      ] as const
    )("refuses a manifest that is too large from curl %s (rule 69)", ([name, options]) =>
      Effect.gen(function*() {
        const running = yield* filled
        const answer = yield* curl(
          running.port,
          manifestPath,
          tooLarge,
          "-H",
          `Content-Type: ${MediaType.image}`,
          ...options
        )
        expect(answer).toMatchObject({ code: 0, status: "413" })
        expect(JSON.parse(answer.text)).toMatchObject({ errors: [{ code: "SIZE_INVALID" }] })
        if (name === "if it may" && composition.ownsSockets) expect(answer.sent).toBe(0)
        yield* nothingStored(running)
      }))

    it.scoped("lets curl send a blob only after a 100", () =>
      Effect.gen(function*() {
        const running = yield* begun(composition)
        const path = `${running.location}?digest=${blobDigest}`
        const rest = blob.subarray(10)
        const answer = yield* curl(running.port, path, rest, "-H", "Expect: 100-continue")
        expect(answer).toMatchObject({ code: 0, status: "201", sent: 2038 })
      }))

    it.scoped("sends a 100 or the final answer to a client that waits for a 100", () =>
      Effect.gen(function*() {
        const running = yield* begun(composition)
        const granted = yield* running.connect
        yield* granted.write(head("PATCH", running.location, "Content-Length: 5", "Expect: 100-continue"))
        yield* granted.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/)
        yield* granted.write(blob.subarray(10, 15))
        yield* granted.until(/\r\n\r\nHTTP\/1\.1 202 /)
        for (const header of ["Content-Length: 5", "Transfer-Encoding: chunked"]) {
          const refused = yield* running.connect
          yield* refused.write(head("PUT", "/v2/team/app/manifests/.v1", header, "Expect: 100-continue"))
          // The client may or may not send the body.
          if (composition.ownsSockets) {
            expect(yield* refused.closed).toMatch(/^HTTP\/1\.1 400 [^]*\r\nConnection: close\r\n/)
          } else {
            yield* refused.write(header.startsWith("T") ? "0\r\n\r\n" : "12345")
            yield* refused.until(/HTTP\/1\.1 400 /)
          }
        }
      }))

    it.scoped("discards an unwanted body without effect on the next request", () =>
      Effect.gen(function*() {
        const running = yield* filled
        const connection = yield* running.connect
        const unwanted: ReadonlyArray<readonly [string, string, number]> = [
          ["POST", "/v2/no/such/path", 404],
          ["PUT", "/v2/team/app/tags/list", 405],
          ["PUT", "/v2/team/app/manifests/.v1", 400],
          ["PATCH", "/v2/team/app/blobs/uploads/made-up", 404],
          ["GET", "/v2/team/app/manifests/v1", 200],
          ["HEAD", "/v2/team/app/manifests/v1", 200]
        ]
        let expected = ""
        for (const [method, path, status] of unwanted) {
          yield* connection.write(
            head(method, path, "Content-Length: 40") + "GET /v2/ HTTP/1.1\r\nHost: evil\r\n\r\n".padEnd(40)
          )
          expected += `HTTP/1\\.1 ${status} [^]*`
          yield* connection.until(new RegExp(`^${expected}$`))
        }
        yield* connection.write(head("GET", "/v2/", "Connection: close"))
        const text = yield* connection.closed
        expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(
          [...unwanted, ["", "", 200]].map(([, , status]) => `HTTP/1.1 ${status}`)
        )
      }))

    it.scoped("discards the rest of a partly read body without effect on the next request", () =>
      Effect.gen(function*() {
        const full = new RegistryError.Denied({ reason: "the store is full" })
        const running = yield* start(composition, {
          registry: answering({
            PushBlob: ({ body }) => Effect.zipRight(Stream.runHead(body.stream), Effect.fail(full))
          })
        })
        const connection = yield* running.connect
        connection.socket.pause()
        const path = `/v2/team/app/blobs/uploads/?digest=${blobDigest}`
        yield* connection.write(head("POST", path, `Content-Length: ${tooLarge.byteLength}`))
        yield* connection.write(tooLarge)
        yield* connection.write(head("GET", "/v2/", "Connection: close"))
        connection.socket.resume()
        expect(yield* connection.closed).toMatch(/^HTTP\/1\.1 403 [^]*the store is full[^]*HTTP\/1\.1 200 /)
      }))

    it.scoped("treats bytes beyond the declared length as the next request (rule 33)", () =>
      Effect.gen(function*() {
        const running = yield* filled
        const connection = yield* running.connect
        yield* connection.write(
          head("PUT", manifestPath, `Content-Length: ${image.byteLength}`).replace("a/b", MediaType.image) +
            new TextDecoder().decode(image) +
            "and more\r\n\r\n"
        )
        const text = yield* connection.closed
        expect(text).toMatch(composition.ownsSockets ? /^HTTP\/1\.1 201 [^]*HTTP\/1\.1 400 / : /HTTP\/1\.1 400 /)
      }))
  })
}
