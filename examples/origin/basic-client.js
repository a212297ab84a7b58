const ws = new WebSocket('ws://localhost:8080');

// 接続成功
ws.onopen = () => {
  console.log('Connected');
  ws.send(JSON.stringify({ type: 'join', user: 'yamada' }));
};

// メッセージ受信
ws.onmessage = (event) => {
  const message = JSON.parse(event.data);
  console.log('Received:', message);
};

// 切断
ws.onclose = (event) => {
  console.log('Disconnected:', event.code, event.reason);
};

// エラー
ws.onerror = (error) => {
  console.error('Error:', error);
};

// メッセージ送信
function sendMessage(text) {
  ws.send(JSON.stringify({ type: 'message', text }));
}
