export * as NodeCreate from "./NodeCreate.js"
