"""What makes a stream whole: when a candle is closed, and what REST is asked."""
